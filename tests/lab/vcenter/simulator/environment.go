package main

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A guest's OVF environment: what its properties are when it is powered on, until it is powered off.

const (
	byGuestInfo     = "com.vmware.guestInfo"
	byCd            = "iso"
	guestInfo       = "guestinfo."
	environmentKey  = guestInfo + "ovfEnv"
	environmentFile = "ovf-env.xml"
	environmentCd   = "ovf-env.iso"
	guestInfoFile   = "guestinfo"
)

// environmentOf is the text of it; empty if the VM has no properties or no transport.
func environmentOf(vm *simulator.VirtualMachine) string {
	if vm.Config.VAppConfig == nil {
		return ""
	}
	config := vm.Config.VAppConfig.GetVmConfigInfo()
	if len(config.OvfEnvironmentTransport) == 0 || len(config.Property) == 0 {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, `%s<Environment
     xmlns="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
     xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:ve="http://www.vmware.com/schema/ovfenv"
     oe:id=""
     ve:vCenterId="%s">
   <PlatformSection>
      <Kind>VMware ESXi</Kind>
      <Version>8.0.3</Version>
      <Vendor>VMware, Inc.</Vendor>
      <Locale>en</Locale>
   </PlatformSection>
   <PropertySection>
`, xml.Header, vm.Self.Value)
	for _, property := range config.Property {
		value := property.Value
		if value == "" {
			value = property.DefaultValue
		}
		key := escaped(propertyKey(property))
		fmt.Fprintf(&text, "      <Property oe:key=\"%s\" oe:value=\"%s\"/>\n", key, escaped(value))
	}
	text.WriteString("   </PropertySection>\n</Environment>\n")
	return text.String()
}

// propertyKey is CLASS.ID.INSTANCE, of which class and instance may be missing.
func propertyKey(property types.VAppPropertyInfo) string {
	parts := []string{property.ClassId, property.Id, property.InstanceId}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ".")
}

func escaped(text string) string {
	var made bytes.Buffer
	_ = xml.EscapeText(&made, []byte(text))
	return made.String()
}

func hasTransport(vm *simulator.VirtualMachine, name string) bool {
	if vm.Config.VAppConfig == nil {
		return false
	}
	return slices.Contains(vm.Config.VAppConfig.GetVmConfigInfo().OvfEnvironmentTransport, name)
}

// provide shows the environment in the VM's extra configuration, where VMware Tools get it from.
func provide(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	extra := slices.DeleteFunc(slices.Clone(vm.Config.ExtraConfig), func(each types.BaseOptionValue) bool {
		return each.GetOptionValue().Key == environmentKey
	})
	if text := environmentOf(vm); text != "" && hasTransport(vm, byGuestInfo) {
		extra = append(extra, &types.OptionValue{Key: environmentKey, Value: text})
	} else if len(extra) == len(vm.Config.ExtraConfig) {
		return
	}
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{{Name: "config.extraConfig", Val: extra}})
	})
}

// setTransports is what the simulator leaves out where it takes a vApp configuration.
func setTransports(ctx *simulator.Context, vm *simulator.VirtualMachine, wanted types.BaseVmConfigSpec) {
	if wanted == nil || vm.Config.VAppConfig == nil {
		return
	}
	if transports := wanted.GetVmConfigSpec().OvfEnvironmentTransport; len(transports) > 0 {
		ctx.WithLock(vm, func() {
			vm.Config.VAppConfig.GetVmConfigInfo().OvfEnvironmentTransport = transports
		})
	}
}

// copyProperties gives a clone the vApp configuration of what it is cloned from.
func copyProperties(ctx *simulator.Context, from, to *simulator.VirtualMachine) {
	if from.Config.VAppConfig == nil {
		return
	}
	own := *from.Config.VAppConfig.GetVmConfigInfo()
	own.Property, own.Product = slices.Clone(own.Property), slices.Clone(own.Product)
	ctx.WithLock(to, func() { to.Config.VAppConfig = &own })
}

// environment has the guest's start know what it is told of its properties.
func (h *hardware) environment(vm *simulator.VirtualMachine) (err error) {
	if h.cd, err = h.environmentCd(vm); err != nil {
		return err
	}
	return h.guestInfo(vm.Config.ExtraConfig)
}

// guestInfo gives the guest every guestinfo.* there is at its start: lines of a key and its value in base64.
func (h *hardware) guestInfo(extra []types.BaseOptionValue) error {
	var lines strings.Builder
	for _, each := range extra {
		option := each.GetOptionValue()
		if strings.HasPrefix(option.Key, guestInfo) {
			value := base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(option.Value)))
			fmt.Fprintf(&lines, "%s %s\n", option.Key, value)
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	file := filepath.Join(h.folder, guestInfoFile)
	h.add("-fw_cfg", "name=opt/guestinfo,file="+file)
	return os.WriteFile(file, []byte(lines.String()), 0o600)
}

// environmentCd makes the CD that vSphere puts into the first drive with nothing in it; empty if there is to be none.
func (h *hardware) environmentCd(vm *simulator.VirtualMachine) (string, error) {
	text := environmentOf(vm)
	if text == "" || !hasTransport(vm, byCd) {
		return "", nil
	}
	source, cd := filepath.Join(h.folder, environmentFile), filepath.Join(h.folder, environmentCd)
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command("genisoimage", "-quiet", "-J", "-R", "-V", "OVF ENV", "-o", cd, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("genisoimage: %w: %s", err, out)
	}
	return cd, nil
}
