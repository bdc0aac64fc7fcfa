package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
)

// What only a test can ask: faults at run time, what was typed, what a serial port has shown.

func (x *extension) routes(mux *http.ServeMux) {
	for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE"} {
		mux.HandleFunc(method+" /folder/", x.serveFolder)
	}
	mux.HandleFunc("GET /nfc/{lease}/{file}", x.serveExport)
	mux.HandleFunc("PUT /nfc/{lease}/{file}", x.takeImport)
	mux.HandleFunc("POST /nfc/{lease}/{file}", x.takeImport)
	mux.HandleFunc("POST /lab/faults", x.postFault)
	mux.HandleFunc("GET /lab/vms/{vm}/keys", x.getKeys)
	mux.HandleFunc("GET /lab/vms/{vm}/console", x.getConsole)
}

func (x *extension) postFault(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	if err := x.faults.add(string(text)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
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

// getConsole shows what came out of the VM's first serial port since its power was last switched on.
func (x *extension) getConsole(w http.ResponseWriter, r *http.Request) {
	for _, each := range x.background().Map.All("VirtualMachine") {
		if vm := each.(*simulator.VirtualMachine); vm.Name == r.PathValue("vm") {
			if text, err := os.ReadFile(filepath.Join(x.run, vm.Self.Value, serialLog)); err == nil {
				_, _ = w.Write(text)
			}
			return
		}
	}
	http.NotFound(w, r)
}
