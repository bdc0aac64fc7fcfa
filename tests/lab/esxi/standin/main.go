// Command standin is the ESXi stand-in: the only program on the lab's ISO and on the disks installed from it.
//
// It is PID 1 of both. The kernel option standin.role= says which: the installer obeys BOOT.CFG and KS.CFG as ESXi's
// does, the host answers the vSphere API at the kickstart's address. Called as "localcli" it is ESXi's command of that
// name, for the scripts of a kickstart. What a real ESXi does and this does not is listed in ../LIMITS.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case "localcli":
		os.Exit(localcli(os.Args[1:], os.Stdout, os.Stderr))
	case "init":
		boot()
	default:
		if err := layOut(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "standin:", err)
			os.Exit(1)
		}
	}
}

// layOut partitions a disk image as the installer would and puts the boot partition into it: for disks that are to look
// installed from the start.
func layOut(arguments []string) error {
	if len(arguments) != 4 || arguments[0] != "lay-out" {
		return fmt.Errorf("this program runs as /init of the ESXi stand-in, as localcli inside it, or outside: " +
			"standin lay-out IMAGE MBR BOOTPART")
	}
	info, err := os.Stat(arguments[1])
	if err != nil {
		return err
	}
	bootCode, err := os.ReadFile(arguments[2])
	if err != nil {
		return err
	}
	if err := writePartitions(arguments[1], info.Size(), bootCode, layout(info.Size())); err != nil {
		return err
	}
	return unpackBootPartition(arguments[1], arguments[3])
}
