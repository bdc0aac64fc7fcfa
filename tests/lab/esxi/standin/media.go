package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

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
