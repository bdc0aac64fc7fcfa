package main

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const ticketCookie = "vmware_cgi_ticket"

// ticket lets one request through that has no session: this method, this path.
type ticket struct{ method, path string }

// remember follows who is logged in: what is not SOAP asks no session of the simulator.
func (x *extension) remember(ctx *simulator.Context, call *simulator.Method) {
	if ctx.Session == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sessions[ctx.Session.Key] = time.Now()
	switch body := call.Body.(type) {
	case *types.Logout:
		delete(x.sessions, ctx.Session.Key)
	case *types.TerminateSession:
		for _, key := range body.SessionId {
			delete(x.sessions, key)
		}
	}
}

// Login is the simulator's; the session may ask for files at once.
func (x *extension) Login(ctx *simulator.Context, r *types.Login) soap.HasFault {
	answer := ctx.Map.SessionManager().Login(ctx, r)
	if ctx.Session != nil {
		x.mu.Lock()
		x.sessions[ctx.Session.Key] = time.Now()
		x.mu.Unlock()
	}
	return answer
}

// isLetIn says whether a request comes with a live session's cookie, or with a ticket, which is then used up.
func (x *extension) isLetIn(r *http.Request) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if cookie, err := r.Cookie(soap.SessionCookieName); err == nil {
		seen, ok := x.sessions[strings.Trim(cookie.Value, `"`)]
		if ok && (x.sessionEnd == 0 || time.Since(seen) < x.sessionEnd) {
			return true
		}
	}
	cookie, err := r.Cookie(ticketCookie)
	if err != nil {
		return false
	}
	id := strings.Trim(cookie.Value, `"`)
	given, ok := x.tickets[id]
	if !ok || given.method != "http"+r.Method[:1]+strings.ToLower(r.Method[1:]) || given.path != r.URL.Path {
		return false
	}
	delete(x.tickets, id)
	return true
}

// AcquireGenericServiceTicket gives a ticket for one request.
func (x *extension) AcquireGenericServiceTicket(_ *simulator.Context, r *types.AcquireGenericServiceTicket) soap.HasFault {
	refused := &methods.AcquireGenericServiceTicketBody{Fault_: simulator.Fault("", invalid("spec"))}
	spec, ok := r.Spec.(*types.SessionManagerHttpServiceRequestSpec)
	if !ok {
		return refused
	}
	where, err := url.Parse(spec.Url)
	if err != nil {
		return refused
	}
	method := spec.Method
	if method == "" {
		method = string(types.SessionManagerHttpServiceRequestSpecMethodHttpGet)
	}
	id := rand.Text()
	x.mu.Lock()
	x.tickets[id] = ticket{method, where.Path}
	x.mu.Unlock()
	host, _, _ := strings.Cut(x.address, ":")
	return &methods.AcquireGenericServiceTicketBody{Res: &types.AcquireGenericServiceTicketResponse{
		Returnval: types.SessionManagerGenericServiceTicket{Id: id, HostName: host, TicketType: "HttpServiceTicket"},
	}}
}

// Checks of privileges: everybody has all but those that were named.

func (x *extension) granted(names []string) []types.PrivilegeAvailability {
	var all []types.PrivilegeAvailability
	for _, name := range names {
		all = append(all, types.PrivilegeAvailability{PrivId: name, IsGranted: !slices.Contains(x.lacks, name)})
	}
	return all
}

func (x *extension) HasPrivilegeOnEntities(_ *simulator.Context, r *types.HasPrivilegeOnEntities) soap.HasFault {
	var all []types.EntityPrivilege
	for _, entity := range r.Entity {
		all = append(all, types.EntityPrivilege{Entity: entity, PrivAvailability: x.granted(r.PrivId)})
	}
	return &methods.HasPrivilegeOnEntitiesBody{Res: &types.HasPrivilegeOnEntitiesResponse{Returnval: all}}
}

func (x *extension) HasUserPrivilegeOnEntities(_ *simulator.Context, r *types.HasUserPrivilegeOnEntities) soap.HasFault {
	var all []types.EntityPrivilege
	for _, entity := range r.Entities {
		all = append(all, types.EntityPrivilege{Entity: entity, PrivAvailability: x.granted(r.PrivId)})
	}
	return &methods.HasUserPrivilegeOnEntitiesBody{Res: &types.HasUserPrivilegeOnEntitiesResponse{Returnval: all}}
}
