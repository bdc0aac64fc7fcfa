package main

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func (x *extension) routes(mux *http.ServeMux) {
	for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE"} {
		mux.HandleFunc(method+" /folder/", x.serveFolder)
	}
	mux.HandleFunc("GET /nfc/{lease}/{file}", x.serveExport)
	mux.HandleFunc("PUT /nfc/{lease}/{file}", x.takeImport)
	mux.HandleFunc("POST /nfc/{lease}/{file}", x.takeImport)
	mux.HandleFunc("POST /lab/faults", x.postFault)
	mux.HandleFunc("GET /lab/keys/{vm}", x.getKeys)
}

// serveFolder is the simulator's, for who is logged in, and with room for so much and no more.
func (x *extension) serveFolder(w http.ResponseWriter, r *http.Request) {
	if !x.isLoggedIn(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	ctx := x.background()
	ds := x.datastore(ctx)
	if name := r.URL.Query().Get("dsName"); name != ds.Name || strings.Contains(r.URL.Path, "..") {
		http.NotFound(w, r)
		return
	}
	path := filepath.Join(ds.Summary.Url, strings.TrimPrefix(r.URL.Path, "/folder/"))
	switch r.Method {
	case http.MethodDelete:
		if os.Remove(path) != nil {
			http.NotFound(w, r)
		}
		return
	case http.MethodPut, http.MethodPost:
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			http.NotFound(w, r) // a vCenter makes no folders by the way
			return
		}
		if x.capacityBytes > 0 && used(ds.Summary.Url)+r.ContentLength > x.capacityBytes {
			w.WriteHeader(http.StatusInsufficientStorage)
			return
		}
		_, err := os.Stat(path)
		x.model.Service.ServeDatastore(w, r)
		if err != nil {
			w.WriteHeader(http.StatusCreated)
		}
		x.setCapacity(ctx)
		return
	}
	x.model.Service.ServeDatastore(w, r)
}

func (x *extension) isLoggedIn(r *http.Request) bool {
	cookie, err := r.Cookie(soap.SessionCookieName)
	if err != nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sessions[strings.Trim(cookie.Value, `"`)]
}

// setCapacity shows what is free in the datastore.
func (x *extension) setCapacity(ctx *simulator.Context) {
	if x.capacityBytes == 0 {
		return
	}
	ds := x.datastore(ctx)
	free := max(0, x.capacityBytes-used(ds.Summary.Url))
	ctx.WithLock(ds, func() {
		ctx.Update(ds, []types.PropertyChange{
			{Name: "summary.capacity", Val: x.capacityBytes},
			{Name: "summary.freeSpace", Val: free},
		})
	})
}

func used(folder string) int64 {
	var sum int64
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}

func (x *extension) getKeys(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := x.typed[r.PathValue("vm")]
	if keys == nil {
		keys = []string{}
	}
	_ = json.NewEncoder(w).Encode(keys)
}
