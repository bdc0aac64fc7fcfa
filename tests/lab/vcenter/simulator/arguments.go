package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	firmwareCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	firmwareVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
	mostCPUs     = 2 // all are emulated by the same few
)

func driveOf(key int32) string  { return fmt.Sprintf("d%d", key) }
func deviceOf(key int32) string { return fmt.Sprintf("qd%d", key) }

// hardware collects QEMU's words for a VM's devices.
type hardware struct {
	*machine
	ctx     *simulator.Context
	devices object.VirtualDeviceList
	order   map[int32]int    // key of a device -> when it is booted from
	buses   map[int32]string // key of a controller -> its bus
	words   []string
	cd      string // with the guest's environment, until a drive has it
}

// arguments is QEMU's command line for the VM as it is configured.
func (m *machine) arguments(ctx *simulator.Context, vm *simulator.VirtualMachine) ([]string, error) {
	config := vm.Config
	h := &hardware{machine: m, ctx: ctx, devices: config.Hardware.Device, buses: map[int32]string{}}
	h.order = bootOrder(config.BootOptions, h.devices)
	h.words = []string{
		"-S", "-nodefaults", "-name", vm.Name, "-uuid", config.Uuid, "-machine", "pc", "-accel", "tcg,thread=multi",
		"-cpu", "max", "-m", fmt.Sprint(config.Hardware.MemoryMB),
		"-smp", fmt.Sprint(min(mostCPUs, int(config.Hardware.NumCPU))), "-display", "none", "-vga", "std",
		"-qmp", "unix:" + filepath.Join(m.folder, "qmp") + ",server=on,wait=off",
		"-serial", "file:" + filepath.Join(m.folder, serialLog),
		"-chardev", "socket,id=tools,path=" + filepath.Join(m.folder, "tools") + ",server=on,wait=off",
		"-serial", "chardev:tools",
	}
	if config.Firmware == string(types.GuestOsDescriptorFirmwareTypeEfi) {
		if err := h.firmware(config.Files.VmPathName); err != nil {
			return nil, err
		}
	}
	if err := h.environment(vm); err != nil {
		return nil, err
	}
	for _, device := range h.devices { // a bus comes before what is on it
		h.controller(device)
	}
	for _, device := range h.devices {
		if err := h.device(device); err != nil {
			return nil, err
		}
	}
	return h.words, nil
}

func (h *hardware) firmware(vmx string) error {
	file, err := h.x.local(h.ctx, vmx)
	if err != nil {
		return err
	}
	vars := strings.TrimSuffix(file, ".vmx") + ".vars"
	if _, err := os.Stat(vars); err != nil {
		fresh, err := os.ReadFile(firmwareVars)
		if err != nil {
			return err
		}
		if err := os.WriteFile(vars, fresh, 0o600); err != nil {
			return err
		}
	}
	h.add("-drive", "if=pflash,format=raw,unit=0,readonly=on,file="+firmwareCode)
	h.add("-drive", "if=pflash,format=raw,unit=1,file="+vars)
	return nil
}

func (h *hardware) add(words ...string) { h.words = append(h.words, words...) }

// bootOrder is the one asked for, else disk, CD, floppy, network; from an empty disk the firmware goes on to the CD.
func bootOrder(options *types.VirtualMachineBootOptions, devices object.VirtualDeviceList) map[int32]int {
	order := map[int32]int{}
	if options == nil || len(options.BootOrder) == 0 {
		for i, device := range devices {
			switch device.(type) {
			case *types.VirtualDisk:
				order[device.GetVirtualDevice().Key] = 100 + i
			case *types.VirtualCdrom:
				order[device.GetVirtualDevice().Key] = 200 + i
			case *types.VirtualFloppy:
				order[device.GetVirtualDevice().Key] = 300 + i
			case types.BaseVirtualEthernetCard:
				order[device.GetVirtualDevice().Key] = 400 + i
			}
		}
		return order
	}
	for n, wanted := range options.BootOrder {
		for _, device := range devices {
			key, fits := device.GetVirtualDevice().Key, false
			switch each := wanted.(type) {
			case *types.VirtualMachineBootOptionsBootableDiskDevice:
				fits = each.DeviceKey == key
			case *types.VirtualMachineBootOptionsBootableEthernetDevice:
				fits = each.DeviceKey == key
			case *types.VirtualMachineBootOptionsBootableCdromDevice:
				_, fits = device.(*types.VirtualCdrom)
			case *types.VirtualMachineBootOptionsBootableFloppyDevice:
				_, fits = device.(*types.VirtualFloppy)
			}
			if fits && order[key] == 0 {
				order[key] = 10*(n+1) + len(order)
			}
		}
	}
	return order
}

func (h *hardware) booted(key int32) string {
	if n := h.order[key]; n != 0 {
		return fmt.Sprintf(",bootindex=%d", n)
	}
	return ""
}

// controller: QEMU has no LSI 53c1030, and Linux finds no disk behind its mptsas1068.
func (h *hardware) controller(device types.BaseVirtualDevice) {
	key := device.GetVirtualDevice().Key
	id := fmt.Sprintf("c%d", key)
	switch device.(type) {
	case *types.ParaVirtualSCSIController:
		h.add("-device", "pvscsi,id="+id)
		h.buses[key] = id + ".0"
	case *types.VirtualLsiLogicController, *types.VirtualLsiLogicSASController, *types.VirtualBusLogicController:
		h.add("-device", "lsi53c895a,id="+id)
		h.buses[key] = id + ".0"
	case *types.VirtualAHCIController:
		h.add("-device", "ich9-ahci,id="+id)
		h.buses[key] = id
	case *types.VirtualNVMEController:
		h.add("-device", "nvme,serial="+id+",id="+id)
		h.buses[key] = id
	}
}

// slot says on what kind of bus a drive is, and where.
func (h *hardware) slot(device types.BaseVirtualDevice) (kind, where string) {
	own := device.GetVirtualDevice()
	var unit int32
	if own.UnitNumber != nil {
		unit = *own.UnitNumber
	}
	bus := h.buses[own.ControllerKey]
	switch controller := h.devices.FindByKey(own.ControllerKey).(type) {
	case *types.VirtualIDEController:
		return "ide", fmt.Sprintf("bus=ide.%d,unit=%d", controller.BusNumber, unit)
	case *types.VirtualAHCIController:
		return "ide", fmt.Sprintf("bus=%s.%d", bus, unit)
	case *types.VirtualNVMEController:
		return "nvme", fmt.Sprintf("bus=%s,nsid=%d", bus, unit+1)
	}
	return "scsi", fmt.Sprintf("bus=%s,scsi-id=%d", bus, unit)
}

func (h *hardware) device(device types.BaseVirtualDevice) error {
	key := device.GetVirtualDevice().Key
	drive, id := driveOf(key), deviceOf(key)
	switch own := device.(type) {
	case *types.VirtualDisk:
		image, err := h.x.image(h.ctx, own)
		if err != nil {
			return err
		}
		kind, where := h.slot(device)
		driver := map[string]string{"ide": "ide-hd", "scsi": "scsi-hd", "nvme": "nvme-ns"}[kind]
		h.add("-drive", "if=none,id="+drive+",format=qcow2,cache=unsafe,discard=unmap,detect-zeroes=unmap,file="+image)
		h.add("-device", driver+",drive="+drive+",id="+id+","+where+h.booted(key))
	case *types.VirtualCdrom:
		medium, err := h.medium(device)
		if err != nil {
			return err
		}
		if medium == "" && h.cd != "" {
			medium, h.cd = ",format=raw,file="+h.cd, ""
		}
		kind, where := h.slot(device)
		h.add("-drive", "if=none,id="+drive+",media=cdrom,readonly=on"+medium)
		h.add("-device", kind+"-cd,drive="+drive+",id="+id+","+where+h.booted(key))
	case *types.VirtualFloppy:
		medium, err := h.medium(device)
		if err != nil || medium == "" {
			return err
		}
		h.add("-drive", "if=none,id="+drive+medium, "-device", "floppy,drive="+drive+",id="+id)
		if n := h.order[key]; n != 0 { // the device itself takes no bootindex
			h.add("-global", fmt.Sprintf("isa-fdc.bootindexA=%d", n))
		}
	case types.BaseVirtualEthernetCard:
		tap, err := h.x.addTap()
		if err != nil {
			return err
		}
		h.taps = append(h.taps, tap)
		names := map[string]string{"*types.VirtualE1000": "e1000", "*types.VirtualE1000e": "e1000e"}
		driver := names[fmt.Sprintf("%T", device)]
		if driver == "" {
			driver = "vmxnet3"
		}
		mac := own.GetVirtualEthernetCard().MacAddress
		h.add("-netdev", "tap,script=no,downscript=no,id="+drive+",ifname="+tap)
		h.add("-device", driver+",netdev="+drive+",mac="+mac+",romfile="+h.booted(key))
	}
	return nil
}

// medium is what a removable drive holds, as an option; empty if it is empty.
func (h *hardware) medium(device types.BaseVirtualDevice) (string, error) {
	if backing(device) == "" || !connected(device) {
		return "", nil
	}
	file, err := h.x.local(h.ctx, backing(device))
	if err == nil {
		_, err = os.Stat(file)
	}
	h.media[device.GetVirtualDevice().Key] = file
	return ",format=raw,file=" + file, err
}
