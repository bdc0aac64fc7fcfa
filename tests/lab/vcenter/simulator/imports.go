package main

import (
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ImportVApp is the simulator's; what is uploaded then becomes the content of the VM's disks.
func (x *extension) ImportVApp(ctx *simulator.Context, r *types.ImportVApp) soap.HasFault {
	pool := ctx.Map.Get(r.This).(*simulator.ResourcePool)
	answer := pool.ImportVApp(ctx, r)
	body, ok := answer.(*methods.ImportVAppBody)
	if !ok || body.Res == nil {
		return answer
	}
	lease, ok := ctx.Session.Get(body.Res.Returnval).(*simulator.HttpNfcLease)
	if !ok {
		lease, ok = ctx.Map.Get(body.Res.Returnval).(*simulator.HttpNfcLease)
	}
	for range 100 {
		if ok && lease.Info != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !ok || lease.Info == nil {
		return answer
	}
	disks := disksOf(vmOf(ctx, lease.Info.Entity).Config.Hardware.Device)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, device := range lease.Info.DeviceUrl {
		if device.Disk != nil && *device.Disk && len(disks) > 0 {
			if file, err := x.local(ctx, backing(disks[0])); err == nil {
				_, path, _ := strings.Cut(device.Url, "/nfc/")
				x.imports[path] = file
			}
			disks = disks[1:]
		}
	}
	return answer
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
