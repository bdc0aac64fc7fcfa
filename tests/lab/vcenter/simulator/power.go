package main

import (
	"io"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func (x *extension) PowerOnVMTask(ctx *simulator.Context, r *types.PowerOnVM_Task) soap.HasFault {
	vm := vmOf(ctx, r.This)
	isOff := vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff && !vm.Config.Template
	fail := func(fault types.BaseMethodFault) soap.HasFault {
		ref := failed(ctx, vm, "powerOn", fault)
		return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: ref}}
	}
	if path := x.missing(ctx, vm); isOff && path != "" {
		return fail(&types.FileNotFound{FileFault: types.FileFault{File: path}})
	}
	if isOff {
		provide(ctx, vm)
	}
	if x.boots && isOff && x.machine(r.This) == nil {
		if err := x.start(ctx, vm); err != nil {
			return fail(faultOf(err))
		}
	}
	return vm.PowerOnVMTask(ctx, r)
}

func (x *extension) PowerOffVMTask(ctx *simulator.Context, r *types.PowerOffVM_Task) soap.HasFault {
	if m := x.machine(r.This); m != nil {
		m.kill()
	}
	return vmOf(ctx, r.This).PowerOffVMTask(ctx, r)
}

// ResetVMTask leaves the power state on, unlike the simulator's own.
func (x *extension) ResetVMTask(ctx *simulator.Context, r *types.ResetVM_Task) soap.HasFault {
	vm, m := vmOf(ctx, r.This), x.machine(r.This)
	t := simulator.CreateTask(vm, "reset", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
			return nil, wrongState(vm)
		}
		x.mu.Lock()
		delete(x.typed, vm.Name)
		x.mu.Unlock()
		if m != nil {
			_, _ = m.qmp.do("system_reset", nil)
		}
		return nil, nil
	})
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{Returnval: t.Run(ctx)}}
}

func (x *extension) DestroyTask(ctx *simulator.Context, r *types.Destroy_Task) soap.HasFault {
	vm, ok := ctx.Map.Get(r.This).(*simulator.VirtualMachine)
	if !ok {
		return ctx.Map.Get(r.This).(*simulator.Folder).DestroyTask(ctx, r)
	}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		fault := &types.InvalidPowerState{RequestedState: "poweredOff", ExistingState: vm.Runtime.PowerState}
		ref := failed(ctx, vm, "destroy", fault)
		return &methods.Destroy_TaskBody{Res: &types.Destroy_TaskResponse{Returnval: ref}}
	}
	return vm.DestroyTask(ctx, r)
}

// ask hands a command to the guest's tools; nil if they have it.
func (x *extension) ask(ctx *simulator.Context, ref types.ManagedObjectReference, command string) *soap.Fault {
	vm, m := vmOf(ctx, ref), x.machine(ref)
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return simulator.Fault("", wrongState(vm))
	}
	if m == nil || !m.isUp() {
		return simulator.Fault("", &types.ToolsUnavailable{})
	}
	_, _ = io.WriteString(m.tools, command+"\n")
	return nil
}

func (x *extension) ShutdownGuest(ctx *simulator.Context, r *types.ShutdownGuest) soap.HasFault {
	if !x.boots {
		return vmOf(ctx, r.This).ShutdownGuest(ctx, r)
	}
	if fault := x.ask(ctx, r.This, "shutdown"); fault != nil {
		return &methods.ShutdownGuestBody{Fault_: fault}
	}
	return &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
}

func (x *extension) RebootGuest(ctx *simulator.Context, r *types.RebootGuest) soap.HasFault {
	if fault := x.ask(ctx, r.This, "reboot"); fault != nil {
		return &methods.RebootGuestBody{Fault_: fault}
	}
	return &methods.RebootGuestBody{Res: new(types.RebootGuestResponse)}
}

// ReconfigVMTask is the simulator's; of a running machine the media follow at once, the rest at the next start.
func (x *extension) ReconfigVMTask(ctx *simulator.Context, r *types.ReconfigVM_Task) soap.HasFault {
	vm, m := vmOf(ctx, r.This), x.machine(r.This)
	if fault := x.deviceRefusal(ctx, r.Spec.DeviceChange); fault != nil {
		ref := failed(ctx, vm, "reconfigVm", fault)
		return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: ref}}
	}
	answer := vm.ReconfigVMTask(ctx, r)
	body := answer.(*methods.ReconfigVM_TaskBody)
	if body.Res == nil || waited(ctx, body.Res.Returnval).Info.Error != nil {
		return answer
	}
	setTransports(ctx, vm, r.Spec.VAppConfig)
	if m != nil {
		m.changeMedia(ctx, vm)
	}
	return answer
}
