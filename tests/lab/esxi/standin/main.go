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
		fmt.Fprintln(os.Stderr, "this program runs as /init of the ESXi stand-in, or as localcli inside it")
		os.Exit(2)
	}
}
