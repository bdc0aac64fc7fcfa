package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// A disk x.vmdk of the inventory is the file x.vmdk.qcow2 beside the simulator's own; snapshots are layers of it.
const layerSuffix = ".qcow2"

func qemuImage(arguments ...string) error {
	out, err := exec.Command("qemu-img", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("qemu-img %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// image is the file of a disk, made when it is not there yet, and as large as the disk is said to be.
func (x *extension) image(ctx *simulator.Context, disk *types.VirtualDisk) (string, error) {
	file, err := x.local(ctx, backing(disk))
	if err != nil {
		return "", err
	}
	image, bytes := file+layerSuffix, fmt.Sprint(disk.CapacityInKB*1024)
	if _, err := os.Stat(image); err != nil {
		if isVmdk(file) { // uploaded
			return image, qemuImage("convert", "-f", "vmdk", "-O", "qcow2", file, image)
		}
		return image, qemuImage("create", "-q", "-f", "qcow2", image, bytes)
	}
	var info struct {
		Bytes int64 `json:"virtual-size"`
	}
	out, err := exec.Command("qemu-img", "info", "-U", "--output=json", image).Output()
	if err == nil && json.Unmarshal(out, &info) == nil && info.Bytes < disk.CapacityInKB*1024 {
		return image, qemuImage("resize", "-q", image, bytes)
	}
	return image, err
}

func isVmdk(path string) bool {
	head := make([]byte, 4)
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	_, _ = file.Read(head)
	return string(head) == "KDMV"
}

// replaceDisks puts changed copies of a VM's disks in their place: the old ones may be a snapshot's too.
func replaceDisks(ctx *simulator.Context, vm *simulator.VirtualMachine, change func(i int, disk *types.VirtualDisk) error) error {
	devices := append([]types.BaseVirtualDevice{}, vm.Config.Hardware.Device...)
	n := 0
	for i, device := range devices {
		disk, ok := device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		changed := *disk
		if flat, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
			own := *flat
			changed.Backing = &own
		}
		if err := change(n, &changed); err != nil {
			return err
		}
		devices[i] = &changed
		n++
	}
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
	})
	return nil
}

// addLayers puts an empty layer on each disk of the VM, or on the disks given: x.vmdk becomes x-000001.vmdk.
func (x *extension) addLayers(ctx *simulator.Context, vm *simulator.VirtualMachine, on []*types.VirtualDisk) error {
	return replaceDisks(ctx, vm, func(i int, disk *types.VirtualDisk) error {
		base := disk
		if on != nil {
			base = on[i]
		}
		below, ok := base.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if !ok {
			return fmt.Errorf("disk backing %T", base.Backing)
		}
		image, err := x.image(ctx, base)
		if err != nil {
			return err
		}
		name, file, err := x.nextLayer(ctx, below.FileName)
		if err != nil {
			return err
		}
		if m := x.machine(vm.Self); m != nil {
			device := map[string]any{"device": driveOf(disk.Key), "snapshot-file": file + layerSuffix, "format": "qcow2"}
			_, err = m.qmp.do("blockdev-snapshot-sync", device)
		} else {
			err = overlay(image, file)
		}
		if err != nil {
			return err
		}
		_ = os.WriteFile(file, nil, 0o600) // for the simulator's own books
		parent := *below
		own := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		own.FileName, own.Parent = name, &parent
		return nil
	})
}

func overlay(image, file string) error {
	whole, _ := filepath.Abs(image)
	return qemuImage("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", whole, file+layerSuffix)
}

func (x *extension) nextLayer(ctx *simulator.Context, path string) (name, file string, err error) {
	base := stem(path)
	if i := len(base) - 7; i > 0 && base[i] == '-' && strings.Trim(base[i+1:], "0123456789") == "" {
		base = base[:i]
	}
	for n := 1; ; n++ {
		name = fmt.Sprintf("%s-%06d.vmdk", base, n)
		if file, err = x.local(ctx, name); err != nil {
			return "", "", err
		}
		if _, err := os.Stat(file + layerSuffix); err != nil {
			whole, err := filepath.Abs(file)
			return name, whole, err
		}
	}
}

func (x *extension) CreateSnapshotTask(ctx *simulator.Context, r *types.CreateSnapshot_Task) soap.HasFault {
	vm := vmOf(ctx, r.This)
	answer := vm.CreateSnapshotTask(ctx, r)
	body := answer.(*methods.CreateSnapshot_TaskBody)
	if body.Res != nil && waited(ctx, body.Res.Returnval).Info.Error == nil {
		if err := x.addLayers(ctx, vm, nil); err != nil {
			return &methods.CreateSnapshot_TaskBody{Fault_: simulator.Fault(err.Error(), &types.SnapshotFault{})}
		}
	}
	return answer
}

func (x *extension) RevertToSnapshotTask(ctx *simulator.Context, r *types.RevertToSnapshot_Task) soap.HasFault {
	snapshot := ctx.Map.Get(r.This).(*simulator.VirtualMachineSnapshot)
	vm := vmOf(ctx, snapshot.Vm)
	if m := x.machine(vm.Self); m != nil { // snapshots keep no memory: a revert leaves the VM off
		m.kill()
		off := vm.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: vm.Self}).(*methods.PowerOffVM_TaskBody)
		waited(ctx, off.Res.Returnval)
	}
	if err := x.addLayers(ctx, vm, disksOf(snapshot.Config.Hardware.Device)); err != nil {
		return &methods.RevertToSnapshot_TaskBody{Fault_: simulator.Fault(err.Error(), &types.SnapshotFault{})}
	}
	return snapshot.RevertToSnapshotTask(ctx, r)
}

// RemoveSnapshotTask is the simulator's, which would die of a current snapshot that has no parent. No layer is merged.
func (x *extension) RemoveSnapshotTask(ctx *simulator.Context, r *types.RemoveSnapshot_Task) soap.HasFault {
	snapshot := ctx.Map.Get(r.This).(*simulator.VirtualMachineSnapshot)
	vm := vmOf(ctx, snapshot.Vm)
	ctx.WithLock(vm, func() {
		if vm.Snapshot == nil || vm.Snapshot.CurrentSnapshot == nil || *vm.Snapshot.CurrentSnapshot != r.This {
			return
		}
		for _, root := range vm.Snapshot.RootSnapshotList {
			if root.Snapshot == r.This {
				ctx.Update(vm, []types.PropertyChange{{Name: "snapshot.currentSnapshot", Val: nil}})
			}
		}
	})
	return snapshot.RemoveSnapshotTask(ctx, r)
}

// CloneVMTask is the simulator's, with real disks, and with what that forgets.
func (x *extension) CloneVMTask(ctx *simulator.Context, r *types.CloneVM_Task) soap.HasFault {
	vm := vmOf(ctx, r.This)
	move := types.VirtualMachineRelocateDiskMoveOptions(r.Spec.Location.DiskMoveType)
	linked := move == types.VirtualMachineRelocateDiskMoveOptionsCreateNewChildDiskBacking
	from := disksOf(vm.Config.Hardware.Device)
	if r.Spec.Snapshot != nil {
		from = disksOf(ctx.Map.Get(*r.Spec.Snapshot).(*simulator.VirtualMachineSnapshot).Config.Hardware.Device)
	} else if linked {
		ref := failed(ctx, vm, "cloneVm", invalid("spec.snapshot"))
		return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{Returnval: ref}}
	}
	ref := simulator.CreateTask(vm, "cloneVm", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		made := waited(ctx, vm.CloneVMTask(ctx, r).(*methods.CloneVM_TaskBody).Res.Returnval)
		if made.Info.Error != nil {
			return nil, made.Info.Error.Fault
		}
		clone := vmOf(ctx, made.Info.Result.(types.ManagedObjectReference))
		if err := x.cloneDisks(ctx, clone, from, linked); err != nil {
			return nil, faultOf(err)
		}
		if fault := x.completeClone(ctx, vm, clone, r.Spec.Config); fault != nil {
			return nil, fault
		}
		if r.Spec.PowerOn && !r.Spec.Template {
			on := x.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: clone.Self}).(*methods.PowerOnVM_TaskBody)
			if done := waited(ctx, on.Res.Returnval); done.Info.Error != nil {
				return nil, done.Info.Error.Fault
			}
		}
		return clone.Self, nil
	}).Run(ctx)
	return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{Returnval: ref}}
}

func (x *extension) cloneDisks(ctx *simulator.Context, clone *simulator.VirtualMachine, from []*types.VirtualDisk, linked bool) error {
	return replaceDisks(ctx, clone, func(i int, disk *types.VirtualDisk) error {
		image, err := x.image(ctx, from[i])
		if err != nil {
			return err
		}
		file, err := x.local(ctx, backing(disk))
		if err != nil {
			return err
		}
		if !linked {
			return qemuImage("convert", "-U", "-f", "qcow2", "-O", "qcow2", image, file+layerSuffix)
		}
		parent := *from[i].Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).Parent = &parent
		return overlay(image, file)
	})
}

// completeClone gives it what the simulator's clone lacks: a MAC of its own, firmware, notes, properties, wanted changes.
func (x *extension) completeClone(ctx *simulator.Context, vm, clone *simulator.VirtualMachine, wanted *types.VirtualMachineConfigSpec) types.BaseMethodFault {
	for _, device := range clone.Config.Hardware.Device {
		if card, ok := device.(types.BaseVirtualEthernetCard); ok {
			nic := card.GetVirtualEthernetCard()
			if nic.AddressType != string(types.VirtualEthernetCardMacTypeManual) {
				nic.MacAddress = fmt.Sprintf("00:0c:29:%02x:%02x:%02x", rand.Intn(256), rand.Intn(256), rand.Intn(256))
			}
		}
	}
	specs := []types.VirtualMachineConfigSpec{
		{Firmware: vm.Config.Firmware, Annotation: vm.Config.Annotation, BootOptions: vm.Config.BootOptions},
	}
	copyProperties(ctx, vm, clone)
	if wanted != nil {
		own := *wanted
		own.DeviceChange = nil // the simulator has applied those
		specs = append(specs, own)
	}
	for _, spec := range specs {
		set := clone.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: clone.Self, Spec: spec})
		if done := waited(ctx, set.(*methods.ReconfigVM_TaskBody).Res.Returnval); done.Info.Error != nil {
			return done.Info.Error.Fault
		}
		setTransports(ctx, clone, spec.VAppConfig)
	}
	return nil
}
