package main

import (
	"compress/gzip"
	"io"
	"os"
	"strings"
	"time"
)

// writeDisk makes the disk one that starts under both firmwares and keeps what the kickstart asked for.
func writeDisk(settings Settings, build string) error {
	disk := settings.Disk
	say("weasel: writing to %s (%s)", disk.Name, disk.Device)
	bootCode, err := readPacked("/MBR.V00")
	if err != nil {
		return err
	}
	if err := writePartitions(disk.Device, disk.Bytes, bootCode, layout(disk.Bytes)); err != nil {
		return err
	}
	bootPartition, err := onMedia("/BOOTPART.V00")
	if err != nil {
		return err
	}
	if err := unpackBootPartition(disk.Device, bootPartition); err != nil {
		return err
	}
	if err := run(busybox, "blockdev", "--rereadpt", disk.Device); err != nil {
		return err
	}
	waitUntil(5*time.Second, func() bool { _, err := os.Stat(disk.Device + "1"); return err == nil })
	unmount, err := mountBoot(disk, true)
	if err != nil {
		return err
	}
	defer unmount()
	for _, file := range [][2]string{{"/B.B00", "/vmlinuz"}, {"/S.V00", "/initrd"}} {
		if err := copyFromMedia(file[0], bootRoot+file[1]); err != nil {
			return err
		}
	}
	version, _, _ := strings.Cut(build, "-")
	return Installation{
		Network: settings.Network, PasswordHash: settings.PasswordHash, InstallDate: time.Now().UTC(),
		Version: version, Build: build[strings.LastIndex(build, ".")+1:], Disk: disk.Name,
	}.save()
}

// layout is ESXi's, as far as anything shows of it: boot 1, ESX-OSData 7, and a datastore 8 where there is room.
func layout(diskBytes int64) []Partition {
	end := uint64(diskBytes/sectorBytes) - tableSectors - 2
	bootLast := uint64(bootFirst + bootBytes/sectorBytes - 1)
	partitions := []Partition{
		{Number: 1, Type: typeSystem, First: bootFirst, Last: bootLast, Bootable: true, ShortName: "BOOT"},
	}
	osData := Partition{Number: 7, Type: typeOSData, First: bootLast + 1, Last: end, ShortName: "OSDATA"}
	if diskBytes > leastForVmfs {
		osData.Last = osData.First + osDataBytes/sectorBytes - 1
		return append(partitions, osData,
			Partition{Number: 8, Type: typeVmfs, First: osData.Last + 1, Last: end, ShortName: "datastore1"})
	}
	return append(partitions, osData)
}

func readPacked(path string) ([]byte, error) {
	found, err := onMedia(path)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(found)
}

func unpackBootPartition(device, imagePath string) error {
	packed, err := os.Open(imagePath)
	if err != nil {
		return err
	}
	defer packed.Close()
	image, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	disk, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer disk.Close()
	if _, err := disk.Seek(bootFirst*sectorBytes, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(disk, image); err != nil {
		return err
	}
	return disk.Sync()
}

func copyFromMedia(path, target string) error {
	found, err := onMedia(path)
	if err != nil {
		return err
	}
	source, err := os.Open(found)
	if err != nil {
		return err
	}
	defer source.Close()
	file, err := os.Create(target)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, source)
	return err
}
