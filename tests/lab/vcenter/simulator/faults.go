package main

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// rule is a fault that calls of a method get instead of their answer: so many, after so many others.
type rule struct {
	method, name string // of the object; empty: any
	kind         reflect.Type
	ofTask       bool
	skip, count  int
}

// drops cuts downloads of exported disks after so many bytes.
type drops struct {
	after int64
	count int
}

type faults struct {
	mu    sync.Mutex
	rules []*rule
	nfc   drops
}

var ruleText = regexp.MustCompile(`^(\w+)(?::([^=]+))?=(task:)?(\w+)(?:@(\d+))?(?:x(\d+))?$`)

func (f *faults) add(text string) error {
	part := ruleText.FindStringSubmatch(text)
	if part == nil {
		return fmt.Errorf("no fault rule: %q", text)
	}
	number := func(s string, otherwise int) int {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		return otherwise
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if part[1] == "nfc" && part[4] == "drop" {
		f.nfc = drops{int64(number(part[5], 0)), number(part[6], 1)}
		return nil
	}
	kind, ok := types.TypeFunc()(part[4])
	if !ok {
		return fmt.Errorf("no fault of vSphere: %q", part[4])
	}
	if part[3] != "" && taskAnswers[part[1]] == nil {
		return fmt.Errorf("no task of it can be made to fail: %q", part[1])
	}
	f.rules = append(f.rules, &rule{part[1], part[2], kind, part[3] != "", number(part[5], 0), number(part[6], 1)})
	return nil
}

// take gives the rule that this call meets, and counts it.
func (f *faults) take(method, name string) *rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if r.method != method || (r.name != "" && r.name != name) || r.count == 0 {
			continue
		}
		if r.skip > 0 {
			r.skip--
			return nil
		}
		r.count--
		return r
	}
	return nil
}

// drop says after how many bytes this download is cut; 0: not at all.
func (f *faults) drop() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nfc.count == 0 {
		return 0
	}
	f.nfc.count--
	return f.nfc.after
}

func (r *rule) fault() types.BaseMethodFault {
	value := reflect.New(r.kind)
	for i := range r.kind.NumField() { // a reference to nothing cannot be read
		if field := value.Elem().Field(i); field.Type() == reflect.TypeFor[types.ManagedObjectReference]() {
			field.Set(reflect.ValueOf(reference("Task", "task-0")))
		}
	}
	fault, ok := value.Interface().(types.BaseMethodFault)
	if !ok {
		return &types.SystemError{Reason: r.kind.Name() + " is no fault"}
	}
	return fault
}

// failing stands in the place of a call whose task is to fail.
type failing struct {
	method string
	this   types.ManagedObjectReference
	fault  types.BaseMethodFault
}

// taskBody has the answer as a value, not as a pointer: the element is called as its type is.
type taskBody struct {
	Res any
}

func (b *taskBody) Fault() *soap.Fault { return nil }

var taskAnswers = map[string]func(types.ManagedObjectReference) any{
	"CloneVM_Task":             func(t types.ManagedObjectReference) any { return types.CloneVM_TaskResponse{Returnval: t} },
	"CreateScreenshot_Task":    func(t types.ManagedObjectReference) any { return types.CreateScreenshot_TaskResponse{Returnval: t} },
	"CreateSnapshot_Task":      func(t types.ManagedObjectReference) any { return types.CreateSnapshot_TaskResponse{Returnval: t} },
	"CreateVM_Task":            func(t types.ManagedObjectReference) any { return types.CreateVM_TaskResponse{Returnval: t} },
	"DeleteDatastoreFile_Task": func(t types.ManagedObjectReference) any { return types.DeleteDatastoreFile_TaskResponse{Returnval: t} },
	"Destroy_Task":             func(t types.ManagedObjectReference) any { return types.Destroy_TaskResponse{Returnval: t} },
	"MoveDatastoreFile_Task":   func(t types.ManagedObjectReference) any { return types.MoveDatastoreFile_TaskResponse{Returnval: t} },
	"PowerOffVM_Task":          func(t types.ManagedObjectReference) any { return types.PowerOffVM_TaskResponse{Returnval: t} },
	"PowerOnVM_Task":           func(t types.ManagedObjectReference) any { return types.PowerOnVM_TaskResponse{Returnval: t} },
	"ReconfigVM_Task":          func(t types.ManagedObjectReference) any { return types.ReconfigVM_TaskResponse{Returnval: t} },
	"Rename_Task":              func(t types.ManagedObjectReference) any { return types.Rename_TaskResponse{Returnval: t} },
	"ResetVM_Task":             func(t types.ManagedObjectReference) any { return types.ResetVM_TaskResponse{Returnval: t} },
	"SearchDatastoreSubFolders_Task": func(t types.ManagedObjectReference) any {
		return types.SearchDatastoreSubFolders_TaskResponse{Returnval: t}
	},
}

// Failing answers a call that starts a task with one that fails.
func (x *extension) Failing(ctx *simulator.Context, r *failing) soap.HasFault {
	object, ok := ctx.Map.Get(r.this).(mo.Reference)
	if !ok {
		object = x
	}
	return &taskBody{taskAnswers[r.method](failed(ctx, object, r.method, r.fault))}
}

func (x *extension) postFault(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	if err := x.faults.add(string(text)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}
