package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const importReadyWithin = 2 * time.Second

// imported is a disk that is uploaded; key is the lease's for it.
type imported struct{ key, path, sha256 string }

// CreateImportSpec is the simulator's, with what that leaves out of a descriptor.
func (x *extension) CreateImportSpec(ctx *simulator.Context, r *types.CreateImportSpec) soap.HasFault {
	answer := ctx.Map.Get(r.This).(*simulator.OvfManager).CreateImportSpec(ctx, r)
	body, ok := answer.(*methods.CreateImportSpecBody)
	if !ok || body.Res == nil {
		return answer
	}
	spec, ok := body.Res.Returnval.ImportSpec.(*types.VirtualMachineImportSpec)
	envelope, err := ovf.Unmarshal(strings.NewReader(r.OvfDescriptor))
	if !ok || err != nil || envelope.VirtualSystem == nil || len(envelope.VirtualSystem.VirtualHardware) == 0 {
		return answer
	}
	complete(&spec.ConfigSpec, envelope.VirtualSystem.VirtualHardware[0])
	return answer
}

// complete: firmware, extra configuration, of which properties are none, and how the guest is told its properties.
func complete(spec *types.VirtualMachineConfigSpec, hardware ovf.VirtualHardwareSection) {
	spec.ExtraConfig = nil
	for _, each := range hardware.ExtraConfig {
		spec.ExtraConfig = append(spec.ExtraConfig, &types.OptionValue{Key: each.Key, Value: each.Value})
	}
	for _, each := range hardware.Config {
		if each.Key == "firmware" {
			spec.Firmware = each.Value
		}
	}
	if hardware.Transport != nil && spec.VAppConfig != nil {
		spec.VAppConfig.GetVmConfigSpec().OvfEnvironmentTransport = strings.Fields(*hardware.Transport)
	}
}

// ImportVApp is the simulator's; what is uploaded then becomes the content of the VM's disks.
func (x *extension) ImportVApp(ctx *simulator.Context, r *types.ImportVApp) soap.HasFault {
	pool := ctx.Map.Get(r.This).(*simulator.ResourcePool)
	if spec, ok := r.Spec.(*types.VirtualMachineImportSpec); ok && r.Folder != nil {
		if folder, ok := ctx.Map.Get(*r.Folder).(*simulator.Folder); ok {
			if fault := x.refusal(ctx, folder, &spec.ConfigSpec); fault != nil {
				return &methods.ImportVAppBody{Fault_: simulator.Fault("", fault)}
			}
		}
	}
	answer := pool.ImportVApp(ctx, r)
	body, ok := answer.(*methods.ImportVAppBody)
	if !ok || body.Res == nil {
		return answer
	}
	lease, ok := ctx.Session.Get(body.Res.Returnval).(*simulator.HttpNfcLease)
	if !ok {
		return answer
	}
	for end := time.Now().Add(importReadyWithin); lease.Info == nil && time.Now().Before(end); {
		if lease.State == types.HttpNfcLeaseStateError {
			return answer
		}
		time.Sleep(20 * time.Millisecond)
	}
	if lease.Info != nil {
		x.expect(ctx, lease.Info)
		if spec, ok := r.Spec.(*types.VirtualMachineImportSpec); ok {
			setTransports(ctx, vmOf(ctx, lease.Info.Entity), spec.ConfigSpec.VAppConfig)
		}
	}
	return answer
}

// expect notes which upload is which disk.
func (x *extension) expect(ctx *simulator.Context, info *types.HttpNfcLeaseInfo) {
	disks := disksOf(vmOf(ctx, info.Entity).Config.Hardware.Device)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, device := range info.DeviceUrl {
		if device.Disk == nil || !*device.Disk || len(disks) == 0 {
			continue
		}
		file, err := x.local(ctx, backing(disks[0]))
		disks = disks[1:]
		if place, wrong := url.Parse(device.Url); err == nil && wrong == nil {
			x.imports[strings.TrimPrefix(place.Path, "/nfc/")] = &imported{key: device.Key, path: file}
		}
	}
}

// takeImport keeps an uploaded disk, and lets the simulator take its sum.
func (x *extension) takeImport(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	disk := x.imports[r.PathValue("lease")+"/"+r.PathValue("file")]
	x.mu.Unlock()
	if disk == nil {
		simulator.ServeNFC(w, r)
		return
	}
	part := filepath.Join(filepath.Dir(disk.path), "upload-"+rand.Text())
	file, err := os.Create(part)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sum := sha256.New()
	r.Body = io.NopCloser(io.TeeReader(r.Body, io.MultiWriter(file, sum)))
	simulator.ServeNFC(w, r)
	_ = file.Close()
	_ = os.Rename(part, disk.path)
	_ = os.Remove(disk.path + layerSuffix)
	x.mu.Lock()
	disk.sha256 = hex.EncodeToString(sum.Sum(nil))
	x.mu.Unlock()
}

// HttpNfcLeaseGetManifest is the simulator's of an import, with the disks' SHA-256.
func (x *extension) HttpNfcLeaseGetManifest(ctx *simulator.Context, r *types.HttpNfcLeaseGetManifest) soap.HasFault {
	answer := ctx.Session.Get(r.This).(*simulator.HttpNfcLease).HttpNfcLeaseGetManifest(ctx, r)
	entries := answer.(*methods.HttpNfcLeaseGetManifestBody).Res.Returnval
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range entries {
		for _, disk := range x.imports {
			if disk.key == entries[i].Key {
				entries[i].Checksum, entries[i].ChecksumType, entries[i].Disk = disk.sha256, "sha256", true
			}
		}
	}
	return answer
}
