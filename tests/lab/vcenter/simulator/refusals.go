package main

import (
	"os"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// What a vCenter refuses and the simulator does not; some of it would even end the simulator.

func (x *extension) CreateVMTask(ctx *simulator.Context, r *types.CreateVM_Task) soap.HasFault {
	folder := ctx.Map.Get(r.This).(*simulator.Folder)
	if fault := x.refusal(ctx, folder, &r.Config); fault != nil {
		ref := failed(ctx, folder, "createVm", fault)
		return &methods.CreateVM_TaskBody{Res: &types.CreateVM_TaskResponse{Returnval: ref}}
	}
	answer := folder.CreateVMTask(ctx, r)
	body := answer.(*methods.CreateVM_TaskBody)
	if body.Res == nil {
		return answer
	}
	if made := waited(ctx, body.Res.Returnval); made.Info.Error == nil {
		setTransports(ctx, vmOf(ctx, made.Info.Result.(types.ManagedObjectReference)), r.Config.VAppConfig)
	}
	return answer
}

func (x *extension) refusal(ctx *simulator.Context, folder *simulator.Folder, spec *types.VirtualMachineConfigSpec) types.BaseMethodFault {
	for _, child := range folder.ChildEntity {
		if nameOf(ctx, child) == spec.Name {
			return &types.DuplicateName{Name: spec.Name, Object: child}
		}
	}
	known := types.VirtualMachineGuestOsIdentifier("").Values()
	if spec.GuestId != "" && !slices.Contains(known, types.VirtualMachineGuestOsIdentifier(spec.GuestId)) {
		return invalid("configSpec.guestId")
	}
	var path object.DatastorePath
	if spec.Files == nil || !path.FromString(spec.Files.VmPathName) {
		return invalid("configSpec.files")
	}
	if path.Datastore != x.datastore(ctx).Name {
		return &types.InvalidDatastorePath{DatastorePath: spec.Files.VmPathName}
	}
	return x.deviceRefusal(ctx, spec.DeviceChange)
}

// deviceRefusal: files of no known datastore, and thick disks that do not fit.
func (x *extension) deviceRefusal(ctx *simulator.Context, changes []types.BaseVirtualDeviceConfigSpec) types.BaseMethodFault {
	ds := x.datastore(ctx)
	for _, each := range changes {
		change := each.GetVirtualDeviceConfigSpec()
		if change.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			continue
		}
		var path object.DatastorePath
		if file := backing(change.Device); path.FromString(file) && path.Datastore != ds.Name {
			return &types.InvalidDatastorePath{DatastorePath: file}
		}
		disk, ok := change.Device.(*types.VirtualDisk)
		if !ok || x.capacityBytes == 0 {
			continue
		}
		flat, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		isThin := ok && flat.ThinProvisioned != nil && *flat.ThinProvisioned
		if !isThin && disk.CapacityInKB*1024 > x.capacityBytes-used(ds.Summary.Url) {
			return &types.NoDiskSpace{Datastore: ds.Name}
		}
	}
	return nil
}

func invalid(property string) types.BaseMethodFault {
	return &types.InvalidArgument{InvalidProperty: property}
}

// missing names the first medium of a VM that is to be there at power-on and is not.
func (x *extension) missing(ctx *simulator.Context, vm *simulator.VirtualMachine) string {
	for _, device := range vm.Config.Hardware.Device {
		path := backing(device)
		if path == "" || !connected(device) {
			continue
		}
		switch device.(type) {
		case *types.VirtualCdrom, *types.VirtualFloppy:
			file, err := x.local(ctx, path)
			if err == nil {
				_, err = os.Stat(file)
			}
			if err != nil {
				return path
			}
		}
	}
	return ""
}

func backing(device types.BaseVirtualDevice) string {
	if b, ok := device.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		return b.GetVirtualDeviceFileBackingInfo().FileName
	}
	return ""
}

func connected(device types.BaseVirtualDevice) bool {
	c := device.GetVirtualDevice().Connectable
	return c == nil || c.StartConnected || c.Connected
}

func disksOf(devices []types.BaseVirtualDevice) (all []*types.VirtualDisk) {
	for _, device := range devices {
		if disk, ok := device.(*types.VirtualDisk); ok {
			all = append(all, disk)
		}
	}
	return all
}

func stem(path string) string { return strings.TrimSuffix(path, ".vmdk") }
