package main

import (
	"fmt"
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

// faults are what calls and exports are to meet.
type faults struct {
	mu       sync.Mutex
	rules    []*rule
	drops    []int64 // each cuts a download after so many bytes
	timeouts int     // of leases that end while they are used
}

var (
	ruleText    = regexp.MustCompile(`^(\w+)(?::([^=]+))?=(task:)?(\w+)(?:@(\d+))?(?:x(\d+))?$`)
	dropText    = regexp.MustCompile(`^drop-nfc@(\d+)(?:x(\d+))?$`)
	timeoutText = regexp.MustCompile(`^lease-timeout(?:x(\d+))?$`)
)

func (f *faults) add(text string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if part := dropText.FindStringSubmatch(text); part != nil {
		for range number(part[2], 1) {
			f.drops = append(f.drops, int64(number(part[1], 0)))
		}
		return nil
	}
	if part := timeoutText.FindStringSubmatch(text); part != nil {
		f.timeouts += number(part[1], 1)
		return nil
	}
	part := ruleText.FindStringSubmatch(text)
	if part == nil {
		return fmt.Errorf("no fault rule: %q", text)
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

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
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

// drop says after how many bytes this download is cut, if it is.
func (f *faults) drop() (after int64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.drops) == 0 {
		return 0, false
	}
	after, f.drops = f.drops[0], f.drops[1:]
	return after, true
}

// timeOut says whether this lease is to end while it is used.
func (f *faults) timeOut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timeouts == 0 {
		return false
	}
	f.timeouts--
	return true
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

// message is what a vCenter says with a fault.
func (r *rule) message() string {
	if said, ok := messages[r.kind.Name()]; ok {
		return said
	}
	return r.kind.Name()
}

var messages = map[string]string{
	"NoDiskSpace":      "Insufficient disk space on datastore.",
	"NotAuthenticated": "The session is not authenticated.",
	"SystemError":      "A general system error occurred: Invalid fault",
	"TaskInProgress":   "Another task is already in progress.",
}

// failing stands in the place of a call that is to fail, or whose task is.
type failing struct {
	method string
	this   types.ManagedObjectReference
	rule   *rule
}

type faultBody struct {
	Reason *soap.Fault `xml:"http://schemas.xmlsoap.org/soap/envelope/ Fault,omitempty"`
}

func (b *faultBody) Fault() *soap.Fault { return b.Reason }

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

// Failing answers a call with its fault, or with a task that has failed.
func (x *extension) Failing(ctx *simulator.Context, r *failing) soap.HasFault {
	fault := r.rule.fault()
	if !r.rule.ofTask {
		return &faultBody{simulator.Fault(r.rule.message(), fault)}
	}
	object, ok := ctx.Map.Get(r.this).(mo.Reference)
	if !ok {
		object = x
	}
	done := waited(ctx, failed(ctx, object, r.method, fault))
	told := &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: r.rule.message()}
	ctx.WithLock(done, func() { ctx.Update(done, []types.PropertyChange{{Name: "info.error", Val: told}}) })
	return &taskBody{taskAnswers[r.method](done.Self)}
}
