package main

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	keyboardPage = 7
	holdFor      = 20 * time.Millisecond
	restFor      = 10 * time.Millisecond
)

// PutUsbScanCodes types at the machine; without one the keys are only remembered.
func (x *extension) PutUsbScanCodes(ctx *simulator.Context, r *types.PutUsbScanCodes) soap.HasFault {
	vm, m := vmOf(ctx, r.This), x.machine(r.This)
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return &methods.PutUsbScanCodesBody{Fault_: simulator.Fault("", wrongState(vm))}
	}
	var accepted int32
	for _, event := range r.Spec.KeyEvents {
		key, ok := hid[event.UsbHidCode>>16]
		if !ok || event.UsbHidCode&0xffff != keyboardPage {
			continue
		}
		held := modifiers(event.Modifiers)
		if m != nil {
			if m.qmp.press(holdFor, held, key) != nil {
				break
			}
			time.Sleep(restFor)
		}
		x.mu.Lock()
		x.typed[vm.Name] = append(x.typed[vm.Name], strings.Join(append(held, key), "+"))
		x.mu.Unlock()
		accepted++
	}
	return &methods.PutUsbScanCodesBody{Res: &types.PutUsbScanCodesResponse{Returnval: accepted}}
}

func modifiers(held *types.UsbScanCodeSpecModifierType) (names []string) {
	if held == nil {
		return nil
	}
	for _, each := range []struct {
		is   *bool
		name string
	}{
		{held.LeftControl, "ctrl"}, {held.LeftShift, "shift"}, {held.LeftAlt, "alt"}, {held.LeftGui, "meta_l"},
		{held.RightControl, "ctrl_r"}, {held.RightShift, "shift_r"}, {held.RightAlt, "alt_r"}, {held.RightGui, "meta_r"},
	} {
		if each.is != nil && *each.is {
			names = append(names, each.name)
		}
	}
	return names
}

// CreateScreenshotTask leaves a picture beside the VM's other files; without a machine a black one.
func (x *extension) CreateScreenshotTask(ctx *simulator.Context, r *types.CreateScreenshot_Task) soap.HasFault {
	vm, m := vmOf(ctx, r.This), x.machine(r.This)
	ref := task(ctx, vm, "createScreenshot", func() (types.AnyType, error) {
		folder := strings.TrimSuffix(vm.Config.Files.LogDirectory, "/")
		place, err := x.local(ctx, folder)
		if err != nil {
			return nil, err
		}
		name := ""
		for n := 1; name == ""; n++ {
			if _, err := os.Stat(filepath.Join(place, fmt.Sprintf("%s-%d.png", vm.Name, n))); err != nil {
				name = fmt.Sprintf("%s-%d.png", vm.Name, n)
			}
		}
		file, _ := filepath.Abs(filepath.Join(place, name))
		if m != nil {
			_, err = m.qmp.do("screendump", map[string]any{"filename": file, "format": "png"})
		} else {
			err = black(file)
		}
		return folder + "/" + name, err
	})
	return &methods.CreateScreenshot_TaskBody{Res: &types.CreateScreenshot_TaskResponse{Returnval: ref}}
}

func black(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return png.Encode(file, image.NewGray(image.Rect(0, 0, 640, 400)))
}

func wrongState(vm *simulator.VirtualMachine) *types.InvalidPowerState {
	return &types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerStatePoweredOn,
		ExistingState:  vm.Runtime.PowerState,
	}
}
