package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
