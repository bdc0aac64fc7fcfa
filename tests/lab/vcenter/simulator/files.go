package main

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// serveFolder is the simulator's, for who is let in, and with room for so much and no more.
func (x *extension) serveFolder(w http.ResponseWriter, r *http.Request) {
	if !x.isLetIn(r) {
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
		x.setCapacity(ctx)
	case http.MethodPut, http.MethodPost:
		status := x.keep(ds, path, r)
		_, _ = io.Copy(io.Discard, r.Body) // else who still sends would see no status, but a broken connection
		w.WriteHeader(status)
		x.setCapacity(ctx)
	default:
		x.model.Service.ServeDatastore(w, r)
	}
}

// keep writes what was sent, as far as there is room, and says with which status that ended.
func (x *extension) keep(ds *simulator.Datastore, path string, r *http.Request) int {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return http.StatusNotFound // a vCenter makes no folders by the way
	}
	before, err := os.Stat(path)
	if err == nil && before.IsDir() {
		return http.StatusForbidden
	}
	body := r.Body
	if x.capacityBytes > 0 {
		free := x.capacityBytes - used(ds.Summary.Url)
		if before != nil {
			free += before.Size()
		}
		if r.ContentLength > free {
			return http.StatusInsufficientStorage
		}
		body = http.MaxBytesReader(nil, body, max(0, free))
	}
	file, err := os.Create(path)
	if err != nil {
		return http.StatusInternalServerError
	}
	defer file.Close()
	var full *http.MaxBytesError
	if _, err = io.Copy(file, body); errors.As(err, &full) {
		return http.StatusInsufficientStorage // what was written stays, as at a vCenter
	} else if err != nil {
		return http.StatusInternalServerError
	}
	if before != nil {
		return http.StatusOK
	}
	return http.StatusCreated
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

// RefreshDatastore is the simulator's, which knows another capacity.
func (x *extension) RefreshDatastore(ctx *simulator.Context, r *types.RefreshDatastore) soap.HasFault {
	answer := ctx.Map.Get(r.This).(*simulator.Datastore).RefreshDatastore(ctx, r)
	x.setCapacity(ctx)
	return answer
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
