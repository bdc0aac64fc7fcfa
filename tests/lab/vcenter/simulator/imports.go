package main

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const importReadyWithin = 2 * time.Second

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
			x.imports[strings.TrimPrefix(place.Path, "/nfc/")] = file
		}
	}
}

// takeImport keeps an uploaded disk, and lets the simulator take its sum.
func (x *extension) takeImport(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	path := x.imports[r.PathValue("lease")+"/"+r.PathValue("file")]
	x.mu.Unlock()
	if path == "" {
		simulator.ServeNFC(w, r)
		return
	}
	part := filepath.Join(filepath.Dir(path), "upload-"+rand.Text())
	file, err := os.Create(part)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.Body = io.NopCloser(io.TeeReader(r.Body, file))
	simulator.ServeNFC(w, r)
	_ = file.Close()
	_ = os.Rename(part, path)
	_ = os.Remove(path + layerSuffix)
}
