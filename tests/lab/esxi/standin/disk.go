package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// A Disk is a disk or CD drive, named as ESXi names it.
type Disk struct {
	Name   string // naa., eui. or t10. name; mpx. where the device has none
	Device string // /dev/sda
	Vendor string
	Model  string
	Serial string
	Bytes  int64
	IsCD   bool
	IsSSD  bool
}

// findDevices lists disks and CD drives in the order the kernel found them.
func findDevices() []Disk {
	var devices []Disk
	paths, _ := filepath.Glob("/sys/block/s[dr]*")
	sort.Strings(paths)
	for _, path := range paths {
		sectors, _ := strconv.ParseInt(readLine(path+"/size"), 10, 64)
		device := Disk{
			Device: "/dev/" + filepath.Base(path),
			Vendor: readLine(path + "/device/vendor"),
			Model:  readLine(path + "/device/model"),
			Serial: vpdSerial(path + "/device/vpd_pg80"),
			Bytes:  sectors * 512,
			IsCD:   readLine(path+"/device/type") == "5",
			IsSSD:  readLine(path+"/queue/rotational") == "0",
		}
		device.Name = canonicalName(readLine(path+"/device/wwid"), path)
		devices = append(devices, device)
	}
	return devices
}

func findDisks() []Disk {
	var disks []Disk
	for _, device := range findDevices() {
		if !device.IsCD {
			disks = append(disks, device)
		}
	}
	return disks
}

// canonicalName is ESXi's name for what the kernel calls wwid; without a world-wide name it is the path's.
func canonicalName(wwid, path string) string {
	if strings.HasPrefix(wwid, "naa.") || strings.HasPrefix(wwid, "eui.") {
		return wwid
	}
	if strings.HasPrefix(wwid, "t10.") {
		return strings.ReplaceAll(wwid, " ", "_")
	}
	target, _ := filepath.EvalSymlinks(path + "/device")
	address := strings.Split(filepath.Base(target), ":") // host:channel:target:lun
	if len(address) != 4 {
		return "mpx." + filepath.Base(path)
	}
	return fmt.Sprintf("mpx.vmhba%s:C%s:T%s:L%s", address[0], address[1], address[2], address[3])
}

func vpdSerial(path string) string {
	page, err := os.ReadFile(path)
	if err != nil || len(page) < 4 {
		return ""
	}
	return strings.TrimSpace(string(page[4:]))
}

func readLine(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

// findMACs lists the MACs of the Ethernet NICs, vmnic0 first.
func findMACs() []string {
	var macs []string
	for _, name := range findNICs() {
		macs = append(macs, readLine("/sys/class/net/"+name+"/address"))
	}
	return macs
}

func findNICs() []string {
	var names []string
	paths, _ := filepath.Glob("/sys/class/net/*/device")
	sort.Strings(paths)
	for _, path := range paths {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names
}

// thisMachine is the machine the program runs on.
type thisMachine struct{}

func (thisMachine) disks() []Disk  { return findDisks() }
func (thisMachine) macs() []string { return findMACs() }

func (thisMachine) hasVmfs(disk Disk) bool {
	partitions, err := readPartitions(disk.Device)
	if err != nil {
		return false
	}
	for _, partition := range partitions {
		if partition.Type == typeVmfs {
			return true
		}
	}
	return false
}
