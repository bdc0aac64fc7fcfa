"""The simulated site in plain Python: servers as threads, for machines without root or QEMU, and for fast tests.

`InProcessMachine` is a `tests.lab.machine.Machine` like the QEMU one and stands behind the same Redfish emulator.
Turned on with a medium it reads the ISO over HTTP as a BMC does, looks for the boot entry and BOOT.CFG of its firmware
mode, runs the kickstart's scripts with `sh`, "installs", and starts from its disk into `EsxiApi`, which answers pyvmomi
over TLS with the kickstart's address, host name and password.

What it leaves out, next to the QEMU site, which leaves out the real ESXi:

* No firmware, boot loader or kernel runs. The medium's boot entries, BOOT.CFG and the files it names are looked up, not
  started, so that a broken boot image in them is not noticed.
* No network of its own: ESXi's API listens at the loopback address and port given to the machine, whatever address the
  kickstart sets; that address is what the API then *says*. Gateway, VLAN and name servers are taken and never used.
  The installer's call-backs always get through, from this process.
* The whole ISO is read, in order, and kept in memory; a real boot loader reads what it needs, here and there.
* The installer is a strict reader of the kickstart commands that install a host (`ks`): a disk rule must be one in
  `%pre`, `--firstdisk` and `upgrade` are refused. Scripts run with this machine's `sh`, `awk` and `sleep`, not
  ESXi's busybox; `localcli` knows two calls; paths under /tmp/herasphere* are moved to a folder of the machine's own.
* `%firstboot` is never run, as with Secure Boot. The disk holds one record per installation, no bytes.
* The API has only calls and properties that a real ESXi has, and few of those: what `hera` reads and sets. Its time
  is the machine's clock, which can be wrong in the ways real ones are (`clock.HostClock`).
* Everything takes a fraction of a second where a server takes minutes; delays are options.

Needs Linux or macOS: /bin/sh, awk and SO_REUSEPORT.
"""
