package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// Settings are what the commands of a kickstart ask for, checked against the machine.
type Settings struct {
	Disk          Disk
	OverwriteVmfs bool
	PasswordHash  string
	Network       Network
	Reboot        bool
	Eject         bool
	DryRun        bool
}

// A Network is the management interface; it stays on the installed disk.
type Network struct {
	MAC         string   `json:"mac"`
	Static      bool     `json:"static"`
	Address     string   `json:"address"`
	Netmask     string   `json:"netmask"`
	Gateway     string   `json:"gateway"`
	Nameservers []string `json:"nameservers"`
	Hostname    string   `json:"hostname"`
	VLAN        int      `json:"vlan"`
}

// The commands ESXi knows and their options; most of them change nothing here.
var known = map[string][]string{
	"install": {
		"disk", "drive", "firstdisk", "overwritevmfs", "preservevmfs", "novmfsondisk", "overwritevsan", "ignoressd",
		"systemdisk", "repartitionsystemdisk", "forceunsupportedinstall", "ignoreprereqwarnings",
		"ignoreprereqerrors", "dpupcislots",
	},
	"network": {
		"bootproto", "device", "ip", "netmask", "gateway", "nameserver", "hostname", "vlanid", "addvmportgroup",
	},
	"rootpw": {"iscrypted"}, "reboot": {"noeject"}, "clearpart": {"drives", "alldrives", "ignoredrives", "firstdisk",
		"overwritevmfs"}, "part": {"ondisk", "ondrive", "onfirstdisk"}, "partition": {"ondisk", "ondrive", "onfirstdisk"},
	"serialnum": {"esx"}, "vmserialnum": {"esx"}, "accepteula": nil, "vmaccepteula": nil, "keyboard": nil,
	"dryrun": nil, "paranoid": nil, "upgrade": nil, "installorupgrade": nil, "%include": nil, "include": nil,
}

// A machine is what the settings are checked against.
type machine interface {
	disks() []Disk
	macs() []string
	hasVmfs(Disk) bool
}

// evaluate checks all commands before anything is written, as ESXi does. Warnings don't stop unless "paranoid".
func evaluate(commands []Command, on machine) (Settings, []string, error) {
	settings := Settings{Eject: true}
	latest := map[string]Command{}
	var warnings []string
	for _, command := range commands {
		options, isKnown := known[command.Name]
		if !isKnown {
			warnings = append(warnings, fmt.Sprintf("line %d: unknown command %q, ignored", command.Line, command.Name))
			continue
		}
		for option := range command.Options {
			if !slices.Contains(options, option) {
				warnings = append(warnings,
					fmt.Sprintf("line %d: unknown argument --%s of %s, ignored", command.Line, option, command.Name))
			}
		}
		if _, twice := latest[command.Name]; twice && !strings.HasPrefix(command.Name, "part") {
			warnings = append(warnings,
				fmt.Sprintf("line %d: %s is given again, the last one holds", command.Line, command.Name))
		}
		latest[command.Name] = command
	}
	for _, name := range []string{"upgrade", "installorupgrade"} {
		if _, given := latest[name]; given {
			return settings, warnings, fmt.Errorf("%s: the stand-in can only install", name)
		}
	}
	_, accepted := latest["accepteula"]
	if _, vm := latest["vmaccepteula"]; !vm && !accepted {
		return settings, warnings, fmt.Errorf("vmaccepteula is missing: the licence was not accepted")
	}
	if err := settings.readInstall(latest, on); err != nil {
		return settings, warnings, err
	}
	if err := settings.readPassword(latest); err != nil {
		return settings, warnings, err
	}
	more, err := settings.readNetwork(latest, on)
	warnings = append(warnings, more...)
	if err != nil {
		return settings, warnings, err
	}
	reboot, given := latest["reboot"]
	settings.Reboot = given
	if _, noEject := reboot.Options["noeject"]; noEject {
		settings.Eject = false
	}
	_, settings.DryRun = latest["dryrun"]
	if _, paranoid := latest["paranoid"]; paranoid && len(warnings) > 0 {
		return settings, warnings, fmt.Errorf("paranoid: a warning stops the installation: %s", warnings[0])
	}
	return settings, warnings, nil
}

func (settings *Settings) readInstall(latest map[string]Command, on machine) error {
	install, given := latest["install"]
	if !given {
		return fmt.Errorf("install is missing")
	}
	wanted := install.Options["disk"]
	if wanted == "" {
		wanted = install.Options["drive"]
	}
	filter, first := install.Options["firstdisk"]
	if (wanted == "") == !first {
		return fmt.Errorf("install: exactly one of --disk and --firstdisk is needed")
	}
	disk, err := chooseDisk(on.disks(), strings.TrimPrefix(wanted, "/vmfs/devices/disks/"), filter)
	if err != nil {
		return err
	}
	if _, vsan := install.Options["overwritevsan"]; vsan {
		return fmt.Errorf("install: --overwritevsan was given, but %s is not claimed by vSAN", disk.Name)
	}
	if disk.Bytes < 32<<30 {
		return fmt.Errorf("install: %s has %d MiB, ESXi needs 32 GiB", disk.Name, disk.Bytes>>20)
	}
	_, overwrite := install.Options["overwritevmfs"]
	_, clear := latest["clearpart"].Options["overwritevmfs"]
	settings.Disk, settings.OverwriteVmfs = disk, overwrite || clear
	if on.hasVmfs(disk) && !settings.OverwriteVmfs {
		return fmt.Errorf("install: %s contains a VMFS datastore, and neither --overwritevmfs nor --preservevmfs holds",
			disk.Name)
	}
	return nil
}

// chooseDisk finds the disk with this id, or the first that a --firstdisk filter takes.
func chooseDisk(disks []Disk, id string, filters string) (Disk, error) {
	if id != "" {
		for _, disk := range disks {
			if disk.Name == id {
				return disk, nil
			}
		}
		return Disk{}, fmt.Errorf("install: --disk=%s: no such disk; the machine has %s", id, diskNames(disks))
	}
	if filters == "" {
		filters = "local"
	}
	for _, filter := range strings.Split(filters, ",") {
		for _, disk := range disks {
			if filter == "local" || strings.EqualFold(filter, disk.Vendor) || strings.EqualFold(filter, disk.Model) {
				return disk, nil
			}
		}
	}
	return Disk{}, fmt.Errorf("install: --firstdisk=%s: no such disk; the machine has %s", filters, diskNames(disks))
}

func diskNames(disks []Disk) string {
	var names []string
	for _, disk := range disks {
		names = append(names, disk.Name)
	}
	return strings.Join(names, ", ")
}

func (settings *Settings) readPassword(latest map[string]Command) error {
	rootpw, given := latest["rootpw"]
	if !given || len(rootpw.Words) != 1 {
		return fmt.Errorf("rootpw: exactly one password is needed")
	}
	password := rootpw.Words[0]
	if _, crypted := rootpw.Options["iscrypted"]; crypted {
		if !strings.HasPrefix(password, "$6$") && !strings.HasPrefix(password, "$1$") {
			return fmt.Errorf("rootpw: --iscrypted takes $6$ (SHA-512) or $1$ (MD5)")
		}
		settings.PasswordHash = password
		return nil
	}
	if err := checkPassword(password); err != nil {
		return fmt.Errorf("rootpw: %w", err)
	}
	hash, err := hashPassword(password)
	settings.PasswordHash = hash
	return err
}

func (settings *Settings) readNetwork(latest map[string]Command, on machine) ([]string, error) {
	network, given := latest["network"]
	if !given {
		return []string{"network is missing, DHCP is used"}, nil
	}
	option := network.Options
	mac, err := chooseNIC(option["device"], on.macs())
	if err != nil {
		return nil, err
	}
	settings.Network = Network{MAC: mac, Hostname: option["hostname"], Address: option["ip"], Netmask: option["netmask"],
		Gateway: option["gateway"], Static: option["bootproto"] == "static"}
	if option["vlanid"] != "" {
		if _, err := fmt.Sscanf(option["vlanid"], "%d", &settings.Network.VLAN); err != nil ||
			settings.Network.VLAN < 1 || settings.Network.VLAN > 4096 {
			return nil, fmt.Errorf("network: --vlanid=%s is not between 1 and 4096", option["vlanid"])
		}
	}
	if option["nameserver"] != "" {
		settings.Network.Nameservers = strings.Split(option["nameserver"], ",")
	}
	if !settings.Network.Static {
		return nil, nil
	}
	return settings.Network.check()
}

// check refuses a static network without address and guesses what else is missing, with a warning, as ESXi does.
func (network *Network) check() ([]string, error) {
	address := net.ParseIP(network.Address).To4()
	if address == nil {
		return nil, fmt.Errorf("network: --bootproto=static needs --ip, an IPv4 address (got %q)", network.Address)
	}
	var warnings []string
	if network.Netmask == "" {
		network.Netmask = net.IP(address.DefaultMask()).String()
		warnings = append(warnings, "network: --netmask is missing, "+network.Netmask+" is used")
	}
	if mask := net.ParseIP(network.Netmask).To4(); mask == nil {
		return warnings, fmt.Errorf("network: --netmask=%s is no netmask", network.Netmask)
	}
	for _, server := range append([]string{network.Gateway}, network.Nameservers...) {
		if server != "" && net.ParseIP(server) == nil {
			return warnings, fmt.Errorf("network: %q is no address", server)
		}
	}
	if network.Gateway == "" {
		warnings = append(warnings, "network: --gateway is missing")
	}
	return warnings, nil
}

// chooseNIC turns vmnicN or a MAC into the MAC of a NIC that is there; without --device it is the first.
func chooseNIC(device string, macs []string) (string, error) {
	for index, mac := range macs {
		if device == "" || strings.EqualFold(device, mac) || device == fmt.Sprintf("vmnic%d", index) {
			return mac, nil
		}
	}
	return "", fmt.Errorf("network: --device=%s: no such NIC; the machine has %s", device, strings.Join(macs, ", "))
}
