// Tells as JSON what govmomi, which govc imports OVAs with, makes of an OVF descriptor on standard input.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/vim25/types"
)

type device struct {
	Kind       string `json:"kind"`
	Controller string `json:"controller"` // the kind of what it is plugged into
	Unit       *int32 `json:"unit"`
	Capacity   int64  `json:"capacity"`
}

type told struct {
	Name       string            `json:"name"`
	Cpus       int32             `json:"cpus"`
	Cores      int32             `json:"cores"`
	MemoryMiB  int64             `json:"memory_mib"`
	Firmware   string            `json:"firmware"`
	SecureBoot bool              `json:"secure_boot"`
	Guest      string            `json:"guest"`
	Version    string            `json:"version"`
	Extra      map[string]string `json:"extra"`
	Properties map[string]string `json:"properties"`
	Product    []string          `json:"product"`
	Devices    []device          `json:"devices"`
	Files      map[string]uint   `json:"files"`
	Eulas      []string          `json:"eulas"`
	Transport  []string          `json:"transport"`
}

func main() {
	envelope, err := ovf.Unmarshal(os.Stdin)
	check(err)
	spec, err := envelope.ToConfigSpec()
	check(err)
	out := told{
		Name: spec.Name, Cpus: spec.NumCPUs, MemoryMiB: spec.MemoryMB, Firmware: spec.Firmware, Guest: spec.GuestId,
		Version: spec.Version, Extra: map[string]string{}, Properties: map[string]string{}, Files: map[string]uint{},
	}
	if spec.NumCoresPerSocket != nil {
		out.Cores = *spec.NumCoresPerSocket
	}
	if spec.BootOptions != nil && spec.BootOptions.EfiSecureBootEnabled != nil {
		out.SecureBoot = *spec.BootOptions.EfiSecureBootEnabled
	}
	for _, each := range spec.ExtraConfig {
		value := each.GetOptionValue()
		out.Extra[value.Key] = fmt.Sprint(value.Value)
	}
	for _, file := range envelope.References {
		out.Files[file.Href] = file.Size
	}
	if config := spec.VAppConfig; config != nil {
		for _, each := range config.GetVmConfigSpec().Property {
			out.Properties[each.Info.Id] = each.Info.DefaultValue
		}
		for _, each := range config.GetVmConfigSpec().Product {
			out.Product = append(out.Product, each.Info.Name, each.Info.Vendor, each.Info.Version, each.Info.FullVersion)
		}
	}
	system := envelope.VirtualSystem
	for _, each := range system.Eula {
		out.Eulas = append(out.Eulas, each.License)
	}
	for _, each := range system.VirtualHardware {
		if each.Transport != nil {
			out.Transport = strings.Fields(*each.Transport)
		}
	}
	out.Devices = devices(spec.DeviceChange)
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func devices(changes []types.BaseVirtualDeviceConfigSpec) []device {
	kinds := map[int32]string{}
	for _, each := range changes {
		made := each.GetVirtualDeviceConfigSpec().Device
		kinds[made.GetVirtualDevice().Key] = kind(made)
	}
	var found []device
	for _, each := range changes {
		made := each.GetVirtualDeviceConfigSpec().Device
		about := made.GetVirtualDevice()
		one := device{Kind: kind(made), Controller: kinds[about.ControllerKey], Unit: about.UnitNumber}
		if disk, is := made.(*types.VirtualDisk); is {
			one.Capacity = disk.CapacityInBytes
		}
		found = append(found, one)
	}
	return found
}

func kind(made types.BaseVirtualDevice) string {
	return strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", made), "*types."), "Virtual")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
