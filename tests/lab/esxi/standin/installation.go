package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

const bootRoot = "/disk"

// An Installation is what the installer left on the disk for the host to live by.
type Installation struct {
	Network      Network   `json:"network"`
	PasswordHash string    `json:"password_hash"`
	InstallDate  time.Time `json:"install_date"`
	Version      string    `json:"version"`
	Build        string    `json:"build"`
	Disk         string    `json:"disk"`
	Certificate  string    `json:"certificate"` // PEM, made at the first start and kept
	PrivateKey   string    `json:"private_key"`
}

// save writes it to the mounted boot partition; the old state or the new one is there after a loss of power.
func (installation Installation) save() error {
	text, err := json.MarshalIndent(installation, "", "  ")
	if err != nil {
		return err
	}
	path := bootRoot + "/state.jsn"
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	if _, err = file.Write(text); err == nil {
		err = file.Sync()
	}
	file.Close()
	if err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	syscall.Sync()
	return nil
}

var bootLock sync.Mutex

// mountBoot mounts the disk's boot partition and returns what unmounts it.
func mountBoot(disk Disk, writable bool) (func(), error) {
	bootLock.Lock()
	flags := uintptr(syscall.MS_RDONLY)
	if writable {
		flags = 0
	}
	if err := syscall.Mount(disk.Device+"1", bootRoot, "vfat", flags, ""); err != nil {
		bootLock.Unlock()
		return nil, fmt.Errorf("mount %s1: %w", disk.Device, err)
	}
	return func() {
		_ = syscall.Unmount(bootRoot, 0)
		syscall.Sync()
		bootLock.Unlock()
	}, nil
}

// findInstallation looks for the installed system on the disks, in their order.
func findInstallation() (Disk, Installation, error) {
	for _, disk := range findDisks() {
		partitions, err := readPartitions(disk.Device)
		if err != nil || len(partitions) == 0 || partitions[0].Type != typeSystem {
			continue
		}
		unmount, err := mountBoot(disk, false)
		if err != nil {
			continue
		}
		text, err := os.ReadFile(bootRoot + "/state.jsn")
		unmount()
		var installation Installation
		if err == nil && json.Unmarshal(text, &installation) == nil {
			return disk, installation, nil
		}
	}
	return Disk{}, Installation{}, fmt.Errorf("no disk holds an installation")
}

// update changes the installation on the disk.
func update(disk Disk, installation Installation) error {
	unmount, err := mountBoot(disk, true)
	if err != nil {
		return err
	}
	defer unmount()
	return installation.save()
}
