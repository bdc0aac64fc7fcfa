// Command guest is what the stand-in's installer and the system it installs need beside busybox.
//
//	guest check KICKSTART        what the installer would have to ask, if anything
//	guest apply KICKSTART ROOT   make the system below ROOT what the kickstart says; prints how to end
//	guest eject DEVICE           open its tray
//	sudo ...                     run a command as root, for who may
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	if filepath.Base(os.Args[0]) == "sudo" {
		fmt.Fprintln(os.Stderr, "sudo:", sudo(os.Args[1:]))
		os.Exit(1)
	}
	run := kickstart
	if len(os.Args) == 3 && os.Args[1] == "eject" {
		run = eject
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func kickstart(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("guest check KICKSTART | guest apply KICKSTART ROOT | guest eject DEVICE")
	}
	text, err := os.ReadFile(arguments[1])
	if err != nil {
		return err
	}
	wanted, err := parse(string(text))
	if err != nil {
		return err
	}
	if arguments[0] == "check" {
		return wanted.question()
	}
	if err := wanted.apply(arguments[2], string(text)); err != nil {
		return err
	}
	fmt.Println(wanted.ending)
	return nil
}

const cdromEject = 0x5309

func eject(arguments []string) error {
	drive, err := os.OpenFile(arguments[1], os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer drive.Close()
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, drive.Fd(), cdromEject, 0); failed != 0 {
		return failed
	}
	return nil
}
