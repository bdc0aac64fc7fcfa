package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// extension receives the calls that the simulator lacks, or answers in another way than a vCenter.
type extension struct {
	options
	self    types.ManagedObjectReference
	model   *simulator.Model
	address string
	own     map[string]bool // names of its methods
	faults  faults
	started chan func() // see machine.go

	mu       sync.Mutex
	sessions map[string]time.Time // key -> when it was seen last
	tickets  map[string]ticket
	machines map[types.ManagedObjectReference]*machine
	leases   map[string]*HttpNfcLease
	imports  map[string]*imported // path of an upload URL -> the disk
	typed    map[string][]string
	taps     int
}

// The simulator would answer one call at a time to one receiver: these opt out of its lock.
func (x *extension) Lock()                                   {}
func (x *extension) Unlock()                                 {}
func (x *extension) Reference() types.ManagedObjectReference { return x.self }

func newExtension(model *simulator.Model, o options) *extension {
	x := &extension{
		options:  o,
		self:     reference("Extension", "extension"),
		model:    model,
		sessions: map[string]time.Time{},
		tickets:  map[string]ticket{},
		machines: map[types.ManagedObjectReference]*machine{},
		leases:   map[string]*HttpNfcLease{},
		imports:  map[string]*imported{},
		typed:    map[string][]string{},
		own:      map[string]bool{},
		started:  make(chan func()),
	}
	for i := range reflect.TypeOf(x).NumMethod() {
		x.own[reflect.TypeOf(x).Method(i).Name] = true
	}
	go x.startProcesses()
	_ = os.MkdirAll(o.run, 0o755)
	return x
}

// background is a context for work that no call waits for: the simulator's locks belong to contexts.
func (x *extension) background() *simulator.Context {
	ctx := *x.model.Service.Context
	ctx.Context = context.Background()
	return &ctx
}

// install has every call come by here first.
func (x *extension) install() {
	x.model.Map().Put(x)
	x.setCapacity(x.background())
	if x.sessionEnd > 0 {
		x.model.Map().OptionManager().UpdateOptions(&types.UpdateOptions{ChangedValue: []types.BaseOptionValue{
			&types.OptionValue{Key: "config.vmacore.soap.sessionTimeout", Value: x.sessionEnd.String()},
		}})
	}
	x.model.Map().Handler = func(ctx *simulator.Context, call *simulator.Method) (mo.Reference, types.BaseMethodFault) {
		x.remember(ctx, call)
		if rule := x.faults.take(call.Name, nameOf(ctx, call.This)); rule != nil {
			if ctx.Session == nil { // without one nothing but a login is let through
				return nil, rule.fault()
			}
			call.Body = &failing{call.Name, call.This, rule}
			call.Name = "Failing"
			return x.taking(call)
		}
		switch call.This.Type {
		case "VirtualMachine", "VirtualMachineSnapshot":
			if ctx.Map.Get(call.This) == nil {
				return nil, nil // gone: the simulator says so
			}
		case "HttpNfcLease":
			if _, ok := ctx.Session.Get(call.This).(*simulator.HttpNfcLease); !ok {
				return nil, nil // an export's, or none
			}
		case "OvfManager", "Folder", "AuthorizationManager", "ResourcePool", "SessionManager", "Datastore":
		default:
			return nil, nil
		}
		if x.own[strings.Replace(call.Name, "_Task", "Task", 1)] {
			return x.taking(call)
		}
		return nil, nil
	}
}

// taking makes this the receiver: the registry is asked again by This, while the body keeps the real one.
func (x *extension) taking(call *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	call.This = x.self
	return x, nil
}

func nameOf(ctx *simulator.Context, ref types.ManagedObjectReference) string {
	if entity, ok := ctx.Map.Get(ref).(mo.Entity); ok {
		return entity.Entity().Name
	}
	return ""
}

func vmOf(ctx *simulator.Context, ref types.ManagedObjectReference) *simulator.VirtualMachine {
	return ctx.Map.Get(ref).(*simulator.VirtualMachine)
}

func (x *extension) machine(ref types.ManagedObjectReference) *machine {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.machines[ref]
}

func (x *extension) running() []*machine {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []*machine
	for _, m := range x.machines {
		all = append(all, m)
	}
	return all
}

// task runs in the background of the call; an error becomes the fault that fits it.
func task(ctx *simulator.Context, e mo.Reference, name string, run func() (types.AnyType, error)) types.ManagedObjectReference {
	return simulator.CreateTask(e, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		value, err := run()
		if err == nil {
			return value, nil
		}
		return nil, faultOf(err)
	}).Run(ctx)
}

func faultOf(err error) types.BaseMethodFault {
	if os.IsNotExist(err) {
		return &types.FileNotFound{FileFault: types.FileFault{File: err.Error()}}
	}
	return &types.GenericVmConfigFault{Reason: err.Error()}
}

// failed is a task of this entity that has failed already.
func failed(ctx *simulator.Context, e mo.Reference, name string, fault types.BaseMethodFault) types.ManagedObjectReference {
	return simulator.CreateTask(e, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, fault
	}).Run(ctx)
}

func waited(ctx *simulator.Context, ref types.ManagedObjectReference) *simulator.Task {
	t := ctx.Map.Get(ref).(*simulator.Task)
	t.Wait()
	return t
}

// local is the file that a datastore path means.
func (x *extension) local(ctx *simulator.Context, path string) (string, error) {
	var p object.DatastorePath
	if !p.FromString(path) {
		return "", fmt.Errorf("bad datastore path %q", path)
	}
	ds := x.datastore(ctx)
	if ds.Name != p.Datastore {
		return "", fmt.Errorf("no datastore %q", p.Datastore)
	}
	return filepath.Join(ds.Summary.Url, p.Path), nil
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }
