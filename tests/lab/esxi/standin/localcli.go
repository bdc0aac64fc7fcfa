package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// localcli answers the calls that a kickstart's scripts make before hostd runs, in the words of ESXi's own localcli.
func localcli(arguments []string, out, errors io.Writer) int {
	var words []string
	for _, argument := range arguments {
		if !strings.HasPrefix(argument, "-") {
			words = append(words, argument)
		}
	}
	switch {
	case slices.Equal(words, []string{"hardware", "platform", "get"}):
		printPlatform(out)
	case slices.Equal(words, []string{"storage", "core", "device", "list"}):
		for _, device := range findDevices() {
			printDevice(out, device)
		}
	case slices.Equal(words, []string{"network", "nic", "list"}):
		fmt.Fprintln(out, "Name    PCI Device    Driver      Link  Speed  Duplex  MAC Address        MTU   Description")
		fmt.Fprintln(out, "------------------------------------------------------------------------------------------")
		for index, mac := range findMACs() {
			fmt.Fprintf(out, "vmnic%d  0000:00:%02x.0  virtio_net  Up    10000  Full    %s  1500  Virtio network device\n",
				index, index+2, mac)
		}
	default:
		fmt.Fprintf(errors, "Error: Unknown command or namespace %s\n", strings.Join(words, " "))
		return 1
	}
	return 0
}

func printPlatform(out io.Writer) {
	fmt.Fprintf(out, "Platform Information:\n")
	for _, line := range [][2]string{
		{"Product Name", dmi("product_name")}, {"Vendor Name", dmi("sys_vendor")},
		{"Serial Number", dmi("product_serial")}, {"Enclosure Serial Number", dmi("chassis_serial")},
		{"BIOS Asset Tag", dmi("chassis_asset_tag")}, {"IPMI Supported", "false"},
	} {
		fmt.Fprintf(out, "   %s: %s\n", line[0], line[1])
	}
}

func dmi(name string) string {
	return readLine("/sys/class/dmi/id/" + name)
}

func printDevice(out io.Writer, device Disk) {
	kind, display := "Direct-Access ", "Disk"
	if device.IsCD {
		kind, display = "CD-ROM", "CD-ROM"
	}
	folder := map[bool]string{false: "disks", true: "cdrom"}[device.IsCD]
	fmt.Fprintf(out, "\n%s:\n", device.Name) // esxcli has neither the empty line nor the colon
	for _, line := range [][2]string{
		{"Display Name", fmt.Sprintf("Local %s %s (%s)", device.Vendor, display, device.Name)},
		{"Has Settable Display Name", "true"},
		{"Size", fmt.Sprint(device.Bytes >> 20)},
		{"Device Type", kind},
		{"Multipath Plugin", "HPP"},
		{"Devfs Path", "/vmfs/devices/" + folder + "/" + device.Name},
		{"Vendor", fmt.Sprintf("%-8s", device.Vendor)},
		{"Model", fmt.Sprintf("%-16s", device.Model)},
		{"Revision", "1.0 "},
		{"SCSI Level", "6"},
		{"Is Pseudo", "false"},
		{"Status", "on"},
		{"Is RDM Capable", "false"},
		{"Is Local", "true"},
		{"Is Removable", fmt.Sprint(device.IsCD)},
		{"Is SSD", fmt.Sprint(device.IsSSD)},
		{"Is VVOL PE", "false"},
		{"Is Offline", "false"},
		{"Is Perennially Reserved", "false"},
		{"Is USB", "false"},
		{"Is Boot Device", "false"},
	} {
		fmt.Fprintf(out, "   %s: %s\n", line[0], line[1])
	}
}
