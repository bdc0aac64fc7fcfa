package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	cdRoot        = "/cdrom"
	bootFirst     = 2048 // first sector of the boot partition
	bootBytes     = 64 << 20
	osDataBytes   = 128 << 30
	leastForVmfs  = 142 << 30 // on a smaller disk ESX-OSData takes everything
	cdromEject    = 0x5309
	cdromLockDoor = 0x5329
)

// runInstaller does what ESXi's installer does between its start and the reboot. What it cannot do it says, and stays.
func runInstaller() {
	mountMedia()
	bootConfig, err := readBootConfig()
	if err != nil {
		halt("weasel: %v", err)
	}
	options := optionTokens(bootConfig["kernelopt"])
	if _, ok := options["runweasel"]; !ok {
		halt("no runweasel in kernelopt: the installer is not started")
	}
	if err := bringUpInstallerNetwork(options); err != nil {
		say("weasel: %v", err)
	}
	text, err := readKickstart(options["ks"])
	if err != nil {
		halt("weasel: %v; waiting as the interactive installer", err)
	}
	say("weasel: kickstart read from %s", options["ks"])
	if err := install(text, bootConfig); err != nil {
		halt("weasel: ERROR: %v; installation stopped, a person is needed", err)
	}
}

// mountMedia mounts every CD by its plain ISO 9660 names, as ESXi's own driver sees them: upper case, no Rock Ridge.
func mountMedia() {
	waitUntil(5*time.Second, func() bool { return len(findDevices()) > len(findDisks()) })
	for _, device := range findDevices() {
		if !device.IsCD {
			continue
		}
		root := filepath.Join(cdRoot, filepath.Base(device.Device))
		_ = os.MkdirAll(root, 0o755)
		err := syscall.Mount(device.Device, root, "iso9660", syscall.MS_RDONLY, "norock,nojoliet,map=off")
		if err != nil {
			say("weasel: no readable medium in %s: %v", device.Device, err)
		}
	}
}

// onMedia finds a file by its exact upper-case path on any of the CDs.
func onMedia(path string) (string, error) {
	roots, _ := filepath.Glob(cdRoot + "/sr*")
	for _, root := range roots {
		for _, name := range []string{path, path + ";1"} {
			if found := filepath.Join(root, name); isFile(found) {
				return found, nil
			}
		}
	}
	return "", fmt.Errorf("%s is on no CD", path)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// readBootConfig reads the BOOT.CFG that this firmware's boot loader reads.
func readBootConfig() (map[string]string, error) {
	path := "/BOOT.CFG"
	if firmware() == "UEFI" {
		path = "/EFI/BOOT/BOOT.CFG"
	}
	found, err := onMedia(path)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(found)
	if err != nil {
		return nil, err
	}
	config := map[string]string{}
	for _, line := range strings.Split(strings.ReplaceAll(string(text), "\r", ""), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			config[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	say("weasel: kernelopt of %s: %s", path, config["kernelopt"])
	return config, nil
}

func readKickstart(location string) (string, error) {
	path, isCD := strings.CutPrefix(location, "cdrom:")
	if location == "" {
		return "", fmt.Errorf("no ks= in kernelopt")
	}
	if !isCD {
		return "", fmt.Errorf("ks=%s: the stand-in reads a kickstart from a CD only", location)
	}
	found, err := onMedia(path)
	if err != nil {
		return "", fmt.Errorf("ks=%s: %w", location, err)
	}
	text, err := os.ReadFile(found)
	return string(text), err
}

// install follows the order of ESXi's installer: %pre, %include, all commands checked, the disk, %post, reboot.
func install(text string, bootConfig map[string]string) error {
	kickstart, err := parseKickstart(text)
	if err != nil {
		return err
	}
	for _, script := range kickstart.Scripts {
		if script.Section == "%pre" {
			if err := runScript(script); err != nil {
				return err
			}
		}
	}
	commands, err := include(kickstart.Commands, 0)
	if err != nil {
		return err
	}
	settings, warnings, err := evaluate(commands, thisMachine{})
	for _, warning := range append(kickstart.Warnings, warnings...) {
		say("weasel: warning: %s", warning)
	}
	if err != nil {
		return err
	}
	if settings.DryRun {
		return fmt.Errorf("dryrun: the kickstart is good, nothing was written")
	}
	if err := writeDisk(settings, bootConfig["build"]); err != nil {
		return err
	}
	if err := runPost(kickstart.Scripts); err != nil {
		return err
	}
	say("weasel: installation complete on %s", settings.Disk.Name)
	finish(settings)
	return nil
}

func include(commands []Command, depth int) ([]Command, error) {
	var all []Command
	for _, command := range commands {
		if command.Name != "%include" && command.Name != "include" {
			all = append(all, command)
			continue
		}
		if len(command.Words) != 1 || depth > 8 {
			return nil, fmt.Errorf("line %d: %s takes one file", command.Line, command.Name)
		}
		text, err := os.ReadFile(command.Words[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: %s %w", command.Line, command.Name, err)
		}
		inner, err := parseKickstart(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", command.Words[0], err)
		}
		more, err := include(inner.Commands, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func runPost(scripts []Script) error {
	for _, script := range scripts {
		if script.Section == "%firstboot" {
			say("weasel: warning: %%firstboot is not run, as under Secure Boot")
		}
		if script.Section != "%post" {
			continue
		}
		if err := runScript(script); err != nil {
			if script.Options["ignorefailure"] != "true" {
				return err
			}
			say("weasel: warning: %v", err)
		}
	}
	return nil
}

// runScript runs a script by busybox's shell; what it prints is on the console.
func runScript(script Script) error {
	if script.Options["interpreter"] == "python" {
		return fmt.Errorf("%s: the stand-in has no python", script.Section)
	}
	say("weasel: running %s", script.Section)
	path := "/tmp/" + strings.TrimPrefix(script.Section, "%") + ".sh"
	if err := os.WriteFile(path, []byte(script.Text), 0o700); err != nil {
		return err
	}
	command := exec.Command(busybox, "sh", path)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.Dir = "/"
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s script failed: %w", script.Section, err)
	}
	return nil
}

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
	partitions := []Partition{{Number: 1, Type: typeSystem, First: bootFirst, Last: bootLast, Bootable: true, ShortName: "BOOT"}}
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

// finish ends the installation as the kickstart wants; without "reboot" a person has to press a key.
func finish(settings Settings) {
	if !settings.Reboot {
		halt("weasel: no reboot in the kickstart, waiting for a key")
	}
	roots, _ := filepath.Glob(cdRoot + "/sr*")
	for _, root := range roots {
		_ = syscall.Unmount(root, 0)
		if settings.Eject {
			eject("/dev/" + filepath.Base(root))
		}
	}
	say("weasel: rebooting")
	restart()
}

func eject(device string) {
	drive, err := syscall.Open(device, syscall.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer syscall.Close(drive)
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, uintptr(drive), cdromLockDoor, 0)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(drive), cdromEject, 0); errno != 0 {
		say("weasel: warning: %s: not ejected: %v", device, errno)
	}
}
