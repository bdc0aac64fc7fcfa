// Command guest is what the stand-in's installer and the system it installs need beside busybox.
//
//	guest check KICKSTART        what the installer would have to ask, if anything
//	guest apply KICKSTART ROOT   make the system below ROOT what the kickstart says; prints how to end
//	guest eject DEVICE           open its tray
//	guest fetch URL FILE         a page into a file; a static busybox cannot look up even an address
//	sudo ...                     run a command as root, for who may
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == "sudo" {
		fmt.Fprintln(os.Stderr, "sudo:", sudo(os.Args[1:]))
		os.Exit(1)
	}
	run := kickstart
	if len(os.Args) == 3 && os.Args[1] == "eject" {
		run = eject
	} else if len(os.Args) == 4 && os.Args[1] == "fetch" {
		run = fetch
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func kickstart(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("guest check KICKSTART | guest apply KICKSTART ROOT | guest eject DEVICE | guest fetch URL FILE")
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

func fetch(arguments []string) error {
	client := http.Client{Timeout: fetchWithin}
	answer, err := client.Get(arguments[1])
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	file, err := os.Create(arguments[2])
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, answer.Body); err != nil {
		return err
	}
	return file.Close()
}

const fetchWithin = 20 * time.Second

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
