package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const cutOffAfter = 300 * time.Millisecond

// HttpNfcLease is an export; a type's name is that of its vim type.
type HttpNfcLease struct {
	mo.HttpNfcLease
	x        *extension
	id       string
	folder   string
	files    map[string]*exported
	deadline time.Time
	cutOff   bool // it ends soon, whatever is told of its progress
}

type exported struct {
	key, path    string
	capacity     int64
	sha1, sha256 string
	size         int64
}

// ExportVm starts a lease whose disks are converted while its state is initializing.
func (x *extension) ExportVm(ctx *simulator.Context, r *types.ExportVm) soap.HasFault {
	vm := vmOf(ctx, r.This)
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		fault := &types.InvalidPowerState{RequestedState: "poweredOff", ExistingState: vm.Runtime.PowerState}
		return &methods.ExportVmBody{Fault_: simulator.Fault("", fault)}
	}
	lease := &HttpNfcLease{x: x, files: map[string]*exported{}, deadline: time.Now().Add(x.leaseTimeout)}
	lease.State = types.HttpNfcLeaseStateInitializing
	lease.Mode = string(types.HttpNfcLeaseModePushOrGet)
	ctx.Session.Put(lease)
	sum := sha256.Sum256([]byte(lease.Self.Value))
	lease.id = hex.EncodeToString(sum[:12])
	x.mu.Lock()
	x.leases[lease.id] = lease
	x.mu.Unlock()
	session := ctx.Session
	go func() {
		own := x.background()
		own.Session = session
		info, err := lease.prepare(own, vm)
		if err != nil {
			lease.end(own, &types.SystemError{Reason: err.Error()})
			return
		}
		own.WithLock(lease, func() {
			own.Update(lease, []types.PropertyChange{
				{Name: "initializeProgress", Val: int32(100)},
				{Name: "info", Val: info},
				{Name: "state", Val: types.HttpNfcLeaseStateReady},
			})
		})
		lease.watch(own)
	}()
	return &methods.ExportVmBody{Res: &types.ExportVmResponse{Returnval: lease.Self}}
}

func (l *HttpNfcLease) prepare(ctx *simulator.Context, vm *simulator.VirtualMachine) (*types.HttpNfcLeaseInfo, error) {
	info := &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: vm.Self, LeaseTimeout: max(1, seconds(l.x.leaseTimeout))}
	var err error
	if l.folder, err = os.MkdirTemp(l.x.run, "export-"); err != nil {
		return nil, err
	}
	for i, disk := range disksOf(vm.Config.Hardware.Device) {
		image, err := l.x.image(ctx, disk)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("disk-%d.vmdk", i)
		file := &exported{
			key:      fmt.Sprintf("/%s/%s", vm.Self.Value, placeOf(vm.Config.Hardware.Device, disk)),
			path:     filepath.Join(l.folder, name),
			capacity: disk.CapacityInKB * 1024,
		}
		err = qemuImage("convert", "-f", "qcow2", "-O", "vmdk", "-o",
			"subformat=streamOptimized,adapter_type=lsilogic,hwversion=14", image, file.path)
		if err != nil {
			return nil, err
		}
		if status, err := os.Stat(file.path); err == nil {
			file.size = status.Size()
		}
		l.files[name] = file
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key: file.key, Url: "https://" + l.x.address + "/nfc/" + l.id + "/" + name,
			Disk: types.NewBool(true), TargetId: name, FileSize: file.size,
		})
		info.TotalDiskCapacityInKB += disk.CapacityInKB
	}
	return info, nil
}

// placeOf names a disk's controller and its number there: "ParaVirtualSCSIController0:0".
func placeOf(devices object.VirtualDeviceList, disk *types.VirtualDisk) string {
	controller, bus := "", int32(0)
	if found := devices.FindByKey(disk.ControllerKey); found != nil {
		controller = strings.TrimPrefix(fmt.Sprintf("%T", found), "*types.")
		if on, ok := found.(types.BaseVirtualController); ok {
			bus = on.GetVirtualController().BusNumber
		}
	}
	unit := int32(0)
	if disk.UnitNumber != nil {
		unit = *disk.UnitNumber
	}
	return fmt.Sprintf("%s%d:%d", controller, bus, unit)
}

// watch ends the lease when nobody has told of progress for too long.
func (l *HttpNfcLease) watch(ctx *simulator.Context) {
	if l.x.faults.timeOut() {
		l.x.mu.Lock()
		l.cutOff, l.deadline = true, time.Now().Add(cutOffAfter)
		l.x.mu.Unlock()
	}
	for l.isOpen() {
		time.Sleep(100 * time.Millisecond)
		l.x.mu.Lock()
		late := time.Now().After(l.deadline)
		l.x.mu.Unlock()
		if late && l.isOpen() {
			l.end(ctx, &types.Timedout{})
			return
		}
	}
}

func (l *HttpNfcLease) isOpen() bool {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	return l.x.leases[l.id] == l
}

func (l *HttpNfcLease) end(ctx *simulator.Context, fault types.BaseMethodFault) {
	l.close()
	ctx.WithLock(l, func() {
		ctx.Update(l, []types.PropertyChange{
			{Name: "state", Val: types.HttpNfcLeaseStateError},
			{Name: "error", Val: &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: fmt.Sprintf("%T", fault)}},
		})
	})
}

func (l *HttpNfcLease) close() {
	l.x.mu.Lock()
	delete(l.x.leases, l.id)
	l.x.mu.Unlock()
	_ = os.RemoveAll(l.folder)
}

func (l *HttpNfcLease) HttpNfcLeaseProgress(ctx *simulator.Context, r *types.HttpNfcLeaseProgress) soap.HasFault {
	if !l.isOpen() {
		return &methods.HttpNfcLeaseProgressBody{Fault_: simulator.Fault("", &types.Timedout{})}
	}
	l.x.mu.Lock()
	if !l.cutOff {
		l.deadline = time.Now().Add(l.x.leaseTimeout)
	}
	l.x.mu.Unlock()
	ctx.Update(l, []types.PropertyChange{{Name: "transferProgress", Val: r.Percent}})
	return &methods.HttpNfcLeaseProgressBody{Res: new(types.HttpNfcLeaseProgressResponse)}
}

func (l *HttpNfcLease) HttpNfcLeaseComplete(ctx *simulator.Context, _ *types.HttpNfcLeaseComplete) soap.HasFault {
	l.close()
	ctx.Session.Remove(ctx, l.Self)
	return &methods.HttpNfcLeaseCompleteBody{Res: new(types.HttpNfcLeaseCompleteResponse)}
}

func (l *HttpNfcLease) HttpNfcLeaseAbort(ctx *simulator.Context, _ *types.HttpNfcLeaseAbort) soap.HasFault {
	l.close()
	ctx.Session.Remove(ctx, l.Self)
	return &methods.HttpNfcLeaseAbortBody{Res: new(types.HttpNfcLeaseAbortResponse)}
}

// HttpNfcLeaseGetManifest knows the sums of what was downloaded.
func (l *HttpNfcLease) HttpNfcLeaseGetManifest(_ *simulator.Context, _ *types.HttpNfcLeaseGetManifest) soap.HasFault {
	var all []types.HttpNfcLeaseManifestEntry
	for _, file := range l.files {
		if file.sha1 != "" {
			all = append(all, types.HttpNfcLeaseManifestEntry{
				Key: file.key, Sha1: file.sha1, Checksum: file.sha256, ChecksumType: "sha256", Size: file.size,
				Disk: true, Capacity: file.capacity, PopulatedSize: file.size,
			})
		}
	}
	return &methods.HttpNfcLeaseGetManifestBody{Res: &types.HttpNfcLeaseGetManifestResponse{Returnval: all}}
}

var errCut = errors.New("cut")

// cut passes on no more than so many bytes, and none of a lease that has ended.
type cut struct {
	http.ResponseWriter
	lease *HttpNfcLease
	left  int64
}

func (c *cut) Write(data []byte) (int, error) {
	if !c.lease.isOpen() {
		return 0, errCut
	}
	if int64(len(data)) > c.left {
		n, _ := c.ResponseWriter.Write(data[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		return n, errCut
	}
	c.left -= int64(len(data))
	return c.ResponseWriter.Write(data)
}

// serveExport sends a disk without saying its length first, as ESXi does.
func (x *extension) serveExport(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	lease := x.leases[r.PathValue("lease")]
	x.mu.Unlock()
	if lease == nil {
		simulator.ServeNFC(w, r) // perhaps one of the simulator's own
		return
	}
	exported := lease.files[r.PathValue("file")]
	if exported == nil {
		http.NotFound(w, r)
		return
	}
	file, err := os.Open(exported.path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	first, second := sha1.New(), sha256.New()
	to := &cut{w, lease, math.MaxInt64}
	if after, ok := x.faults.drop(); ok {
		to.left = after
	}
	if _, err = io.Copy(io.MultiWriter(to, first, second), file); err != nil {
		panic(http.ErrAbortHandler) // the client must see that this is not the end
	}
	exported.sha1, exported.sha256 = hex.EncodeToString(first.Sum(nil)), hex.EncodeToString(second.Sum(nil))
}
