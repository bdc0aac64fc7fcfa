package main

import (
	"encoding/xml"
	"fmt"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	ovfSpace   = "http://schemas.dmtf.org/ovf/envelope/1"
	cimSpace   = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	diskFormat = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
)

type envelope struct {
	XMLName xml.Name     `xml:"Envelope"`
	Spaces  []xml.Attr   `xml:",any,attr"`
	Files   []ovfFile    `xml:"References>File"`
	Info    string       `xml:"DiskSection>Info"`
	Disks   []ovfDisk    `xml:"DiskSection>Disk"`
	Nets    *ovfNetworks `xml:"NetworkSection"`
	System  ovfSystem    `xml:"VirtualSystem"`
}

type ovfFile struct {
	Name string `xml:"ovf:href,attr"`
	ID   string `xml:"ovf:id,attr"`
	Size int64  `xml:"ovf:size,attr"`
}

type ovfDisk struct {
	Capacity int64  `xml:"ovf:capacity,attr"`
	Units    string `xml:"ovf:capacityAllocationUnits,attr"`
	ID       string `xml:"ovf:diskId,attr"`
	File     string `xml:"ovf:fileRef,attr"`
	Format   string `xml:"ovf:format,attr"`
}

type ovfNetworks struct {
	Info    string `xml:"Info"`
	Network struct {
		Name string `xml:"ovf:name,attr"`
	} `xml:"Network"`
}

type ovfSystem struct {
	ID   string `xml:"ovf:id,attr"`
	Info string `xml:"Info"`
	Name string `xml:"Name"`
	OS   struct {
		ID   int    `xml:"ovf:id,attr"`
		Type string `xml:"vmw:osType,attr"`
		Info string `xml:"Info"`
	} `xml:"OperatingSystemSection"`
	Hardware struct {
		Info    string    `xml:"Info"`
		Element string    `xml:"System>vssd:ElementName"`
		Number  int       `xml:"System>vssd:InstanceID"`
		Type    string    `xml:"System>vssd:VirtualSystemType"`
		Items   []ovfItem `xml:"Item"`
	} `xml:"VirtualHardwareSection"`
}

// ovfItem has its elements in the order of the alphabet, as the schema wants them.
type ovfItem struct {
	Address    *int   `xml:"rasd:Address,omitempty"`
	OnParent   *int   `xml:"rasd:AddressOnParent,omitempty"`
	Units      string `xml:"rasd:AllocationUnits,omitempty"`
	Automatic  string `xml:"rasd:AutomaticAllocation,omitempty"`
	Connection string `xml:"rasd:Connection,omitempty"`
	Name       string `xml:"rasd:ElementName"`
	Resource   string `xml:"rasd:HostResource,omitempty"`
	ID         int    `xml:"rasd:InstanceID"`
	Parent     int    `xml:"rasd:Parent,omitempty"`
	SubType    string `xml:"rasd:ResourceSubType,omitempty"`
	Type       int    `xml:"rasd:ResourceType"`
	Quantity   int64  `xml:"rasd:VirtualQuantity,omitempty"`
}

// CreateDescriptor describes CPU, memory, one controller, the disks named in the request, and the NICs.
func (x *extension) CreateDescriptor(ctx *simulator.Context, r *types.CreateDescriptor) soap.HasFault {
	vm, ok := ctx.Map.Get(r.Obj).(*simulator.VirtualMachine)
	if !ok {
		return &methods.CreateDescriptorBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: r.Obj})}
	}
	made := described(vm, r.Cdp.OvfFiles)
	text, err := xml.MarshalIndent(made, "", "  ")
	if err != nil {
		return &methods.CreateDescriptorBody{Fault_: simulator.Fault(err.Error(), &types.SystemError{})}
	}
	return &methods.CreateDescriptorBody{Res: &types.CreateDescriptorResponse{
		Returnval: types.OvfCreateDescriptorResult{OvfDescriptor: xml.Header + string(text) + "\n"},
	}}
}

func described(vm *simulator.VirtualMachine, files []types.OvfFile) envelope {
	made := envelope{Spaces: spaces(), Info: "Virtual disks"}
	system := &made.System
	system.ID, system.Name, system.Info = vm.Name, vm.Name, "A virtual machine"
	system.OS.ID, system.OS.Type, system.OS.Info = 101, vm.Config.GuestId, "The guest operating system"
	hardware := &system.Hardware
	hardware.Info, hardware.Element, hardware.Type = "Virtual hardware", "Virtual Hardware Family", vm.Config.Version
	zero := 0
	hardware.Items = []ovfItem{
		{Name: "cpu", ID: 1, Type: 3, Quantity: int64(vm.Config.Hardware.NumCPU), Units: "hertz * 10^6"},
		{Name: "memory", ID: 2, Type: 4, Quantity: int64(vm.Config.Hardware.MemoryMB), Units: "byte * 2^20"},
		{Name: "scsi0", ID: 3, Type: 6, SubType: "VirtualSCSI", Address: &zero},
	}
	for i, file := range files {
		fileID, diskID := fmt.Sprintf("file%d", i+1), fmt.Sprintf("vmdisk%d", i+1)
		made.Files = append(made.Files, ovfFile{file.Path, fileID, file.Size})
		made.Disks = append(made.Disks, ovfDisk{file.Capacity, "byte", diskID, fileID, diskFormat})
		unit := i
		hardware.Items = append(hardware.Items, ovfItem{
			Name: fmt.Sprintf("disk%d", i), ID: 10 + i, Type: 17, Parent: 3, OnParent: &unit, Resource: "ovf:/disk/" + diskID,
		})
	}
	for _, device := range object.VirtualDeviceList(vm.Config.Hardware.Device) {
		if _, ok := device.(types.BaseVirtualEthernetCard); ok {
			made.Nets = &ovfNetworks{Info: "Logical networks"}
			made.Nets.Network.Name = guestNetwork
			hardware.Items = append(hardware.Items, ovfItem{
				Name: "ethernet", ID: 100 + len(hardware.Items), Type: 10, SubType: "VmxNet3",
				Connection: guestNetwork, Automatic: "true",
			})
		}
	}
	return made
}

func spaces() []xml.Attr {
	named := func(name, value string) xml.Attr { return xml.Attr{Name: xml.Name{Local: name}, Value: value} }
	return []xml.Attr{
		named("xmlns", ovfSpace),
		named("xmlns:ovf", ovfSpace),
		named("xmlns:rasd", cimSpace+"CIM_ResourceAllocationSettingData"),
		named("xmlns:vmw", "http://www.vmware.com/schema/ovf"),
		named("xmlns:vssd", cimSpace+"CIM_VirtualSystemSettingData"),
	}
}
