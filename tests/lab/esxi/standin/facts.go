package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// newAbout is what an ESXi says of itself to anyone.
func newAbout(about types.AboutInfo, installation Installation) types.AboutInfo {
	about.Name = "VMware ESXi"
	about.Version, about.Build = installation.Version, installation.Build
	about.FullName = fmt.Sprintf("VMware ESXi %s build-%s", about.Version, about.Build)
	about.ApiVersion = installation.Version + ".0"
	about.ProductLineId, about.ApiType, about.OsType = "embeddedEsx", "HostAgent", "vmnix-x86"
	about.LicenseProductName, about.LicenseProductVersion = "VMware ESX Server", installation.Version
	return about
}

// describe gives the simulator's host the identity of this machine.
func describe(host *mo.HostSystem, installation Installation) {
	name := installation.Network.Hostname
	if name == "" {
		name = "localhost.localdomain"
	}
	host.Name, host.Summary.Config.Name = name, name
	hardware := *esx.HostHardwareInfo
	hardware.SystemInfo = types.HostSystemInfo{
		Vendor: dmi("sys_vendor"), Model: dmi("product_name"), Uuid: dmi("product_uuid"),
		SerialNumber: dmi("product_serial"),
		OtherIdentifyingInfo: []types.HostSystemIdentificationInfo{
			identification("AssetTag", "Asset Tag", dmi("chassis_asset_tag")),
			identification("ServiceTag", "Service tag", dmi("product_serial")),
		},
	}
	host.Hardware = &hardware
	host.Summary.Hardware.Vendor, host.Summary.Hardware.Model = dmi("sys_vendor"), dmi("product_name")
	host.Summary.Hardware.Uuid = dmi("product_uuid")
	host.Summary.Hardware.OtherIdentifyingInfo = hardware.SystemInfo.OtherIdentifyingInfo
}

func identification(key, label, value string) types.HostSystemIdentificationInfo {
	return types.HostSystemIdentificationInfo{IdentifierValue: value, IdentifierType: &types.ElementDescription{
		Key: key, Description: types.Description{Label: label, Summary: label},
	}}
}

// describeNetwork tells the management interface as it is; the physical NICs are those of the machine.
func describeNetwork(config *types.HostConfigInfo, network Network) {
	info := config.Network
	vnic := &info.Vnic[0]
	vnic.Spec.Mac = network.MAC
	vnic.Spec.Ip = &types.HostIpConfig{Dhcp: !network.Static, IpAddress: network.Address, SubnetMask: network.Netmask}
	template := info.Pnic[0]
	info.Pnic = nil
	for index, mac := range findMACs() {
		pnic := template
		pnic.Device = fmt.Sprintf("vmnic%d", index)
		pnic.Key = "key-vim.host.PhysicalNic-" + pnic.Device
		pnic.Mac, pnic.Driver, pnic.Pci = mac, "virtio_net", fmt.Sprintf("0000:00:%02x.0", index+2)
		info.Pnic = append(info.Pnic, pnic)
	}
	short, domain, _ := strings.Cut(network.Hostname, ".")
	dns := types.HostDnsConfig{Dhcp: !network.Static, HostName: short, DomainName: domain, Address: network.Nameservers}
	if domain != "" {
		dns.SearchDomain = []string{domain}
	}
	info.DnsConfig = &dns
	info.IpRouteConfig = &types.HostIpRouteConfig{DefaultGateway: network.Gateway}
	info.RouteTableInfo = &types.HostIpRouteTableInfo{IpRoute: []types.HostIpRouteEntry{
		{Network: "0.0.0.0", Gateway: network.Gateway, DeviceName: "vmk0"},
	}}
	if mask := net.ParseIP(network.Netmask).To4(); mask != nil {
		bits, _ := net.IPMask(mask).Size()
		subnet := net.ParseIP(network.Address).Mask(net.IPMask(mask)).String()
		info.RouteTableInfo.IpRoute = append(info.RouteTableInfo.IpRoute,
			types.HostIpRouteEntry{Network: subnet, PrefixLength: int32(bits), Gateway: "0.0.0.0", DeviceName: "vmk0"})
	}
	for index := range info.Portgroup {
		if info.Portgroup[index].Spec.Name == "Management Network" {
			info.Portgroup[index].Spec.VlanId = int32(network.VLAN)
		}
	}
	for index := range info.NetStackInstance {
		if info.NetStackInstance[index].Key == "defaultTcpipStack" {
			info.NetStackInstance[index].DnsConfig = info.DnsConfig
			info.NetStackInstance[index].IpRouteConfig = info.IpRouteConfig
		}
	}
	candidates := config.VirtualNicManagerInfo.NetConfig
	for index := range candidates {
		for inner := range candidates[index].CandidateVnic {
			spec := &candidates[index].CandidateVnic[inner].Spec
			spec.Mac, spec.Ip = vnic.Spec.Mac, vnic.Spec.Ip
		}
	}
}

// describeStorage lists the machine's disks and CD drives as SCSI LUNs.
func describeStorage() *types.HostStorageDeviceInfo {
	info := &types.HostStorageDeviceInfo{HostBusAdapter: esx.HostStorageDeviceInfo.HostBusAdapter[:1]}
	for _, device := range findDevices() {
		lun := types.ScsiLun{
			Key: "key-vim.host.ScsiDisk-" + device.Name, Uuid: device.Name, CanonicalName: device.Name,
			DisplayName: fmt.Sprintf("Local %s Disk (%s)", device.Vendor, device.Name), LunType: "disk",
			Vendor: fmt.Sprintf("%-8s", device.Vendor), Model: fmt.Sprintf("%-16s", device.Model), Revision: "1.0 ",
			ScsiLevel: 6, SerialNumber: device.Serial, OperationalState: []string{"ok"},
			Descriptor:       []types.ScsiLunDescriptor{{Quality: "highQuality", Id: device.Name}},
			Capabilities:     &types.ScsiLunCapabilities{},
			VStorageSupport:  "vStorageUnsupported",
			ProtocolEndpoint: types.NewBool(false),
		}
		if device.IsCD {
			lun.LunType = "cdrom"
			lun.DeviceName, lun.DeviceType = "/vmfs/devices/cdrom/"+device.Name, "cdrom"
			info.ScsiLun = append(info.ScsiLun, &lun)
			continue
		}
		lun.DeviceName, lun.DeviceType = "/vmfs/devices/disks/"+device.Name, "disk"
		info.ScsiLun = append(info.ScsiLun, &types.HostScsiDisk{
			ScsiLun:    lun,
			Capacity:   types.HostDiskDimensionsLba{BlockSize: 512, Block: device.Bytes / 512},
			DevicePath: lun.DeviceName, Ssd: types.NewBool(device.IsSSD), LocalDisk: types.NewBool(true),
			EmulatedDIXDIFEnabled: types.NewBool(false), ScsiDiskType: "native512",
		})
	}
	return info
}

// describeVolumes puts ESXi's volumes on the installed disk: ESX-OSData, and a datastore where the disk has one.
func describeVolumes(disk Disk) *types.HostFileSystemVolumeInfo {
	volumes := &types.HostFileSystemVolumeInfo{VolumeTypeList: esx.HostFileSystemVolumeInfo.VolumeTypeList}
	partitions, _ := readPartitions(disk.Device)
	sizes := map[int]int64{}
	for _, partition := range partitions {
		sizes[partition.Number] = int64(partition.Last-partition.First+1) * sectorBytes
	}
	for _, mount := range esx.HostFileSystemVolumeInfo.MountInfo {
		if volume, ok := mount.Volume.(*types.HostVmfsVolume); ok {
			number := int(volume.Extent[0].Partition)
			if sizes[number] == 0 {
				continue
			}
			copied := *volume
			copied.Capacity = sizes[number]
			copied.Extent = []types.HostScsiDiskPartition{{DiskName: disk.Name, Partition: int32(number)}}
			mount.Volume = &copied
		}
		volumes.MountInfo = append(volumes.MountInfo, mount)
	}
	return volumes
}
