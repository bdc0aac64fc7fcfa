package main

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// bringUpInstallerNetwork gives the installer an address: the one its boot options name, or what DHCP offers.
func bringUpInstallerNetwork(options map[string]string) error {
	device := options["netdevice"]
	if device == "" {
		device = options["ksdevice"]
	}
	if bootIf, ok := strings.CutPrefix(options["BOOTIF"], "01-"); ok && device == "" {
		device = strings.ReplaceAll(bootIf, "-", ":")
	}
	mac, err := chooseNIC(device, findMACs())
	if err != nil {
		return err
	}
	if options["ip"] == "" {
		return Network{MAC: mac}.bringUp()
	}
	network := Network{MAC: mac, Static: true, Address: options["ip"], Netmask: options["netmask"],
		Gateway: options["gateway"]}
	if options["vlanid"] != "" {
		_, _ = fmt.Sscanf(options["vlanid"], "%d", &network.VLAN)
	}
	if _, err := network.check(); err != nil {
		return err
	}
	if options["nameserver"] != "" {
		network.Nameservers = strings.Split(options["nameserver"], ",")
	}
	return network.bringUp()
}

// bringUp gives the NIC with this MAC the static address; without such a NIC there is no network at all.
func (network Network) bringUp() error {
	_ = run(busybox, "ip", "link", "set", "lo", "up")
	nic := ""
	for _, name := range findNICs() {
		if strings.EqualFold(readLine("/sys/class/net/"+name+"/address"), network.MAC) {
			nic = name
		}
	}
	if nic == "" {
		return fmt.Errorf("no NIC has the MAC %s: no network", network.MAC)
	}
	if err := run(busybox, "ip", "link", "set", nic, "up"); err != nil {
		return err
	}
	if network.VLAN > 0 {
		id := fmt.Sprint(network.VLAN)
		if err := run(busybox, "ip", "link", "add", "link", nic, "name", "vlan"+id, "type", "vlan", "id", id); err != nil {
			return err
		}
		nic = "vlan" + id
		if err := run(busybox, "ip", "link", "set", nic, "up"); err != nil {
			return err
		}
	}
	if !network.Static {
		return askDHCP(nic)
	}
	bits, _ := net.IPMask(net.ParseIP(network.Netmask).To4()).Size()
	address := fmt.Sprintf("%s/%d", network.Address, bits)
	if err := run(busybox, "ip", "address", "replace", address, "dev", nic); err != nil {
		return err
	}
	if network.Gateway != "" {
		if err := run(busybox, "ip", "route", "replace", "default", "via", network.Gateway); err != nil {
			return err
		}
	}
	resolver := ""
	for _, server := range network.Nameservers {
		resolver += "nameserver " + server + "\n"
	}
	return os.WriteFile("/etc/resolv.conf", []byte(resolver), 0o644)
}

const dhcpScript = `#!/bin/busybox sh
[ "$1" = bound ] || exit 0
ip address replace "$ip/$mask" dev "$interface"
[ -n "$router" ] && ip route replace default via "${router%% *}"
for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf
`

// askDHCP takes an offer that comes within four seconds.
func askDHCP(nic string) error {
	if err := os.WriteFile("/tmp/dhcp", []byte(dhcpScript), 0o755); err != nil {
		return err
	}
	if err := run(busybox, "udhcpc", "-i", nic, "-n", "-q", "-f", "-t", "4", "-T", "1", "-s", "/tmp/dhcp"); err != nil {
		return fmt.Errorf("no answer from DHCP on %s: no network", nic)
	}
	return nil
}
