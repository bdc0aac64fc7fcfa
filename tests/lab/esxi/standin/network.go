package main

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// bringUpInstallerNetwork gives the installer an address if its boot options name one. ESXi's asks DHCP otherwise;
// there is none in the lab, so that without these options no call-back leaves the installer.
func bringUpInstallerNetwork(options map[string]string) error {
	if options["ip"] == "" {
		return nil
	}
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
	if !network.Static {
		return fmt.Errorf("DHCP was asked for: there is none in the lab: no network")
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
