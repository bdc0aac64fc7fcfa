// A vCenter for tests: govmomi's simulator with the calls it lacks, the refusals a vCenter makes, faults on demand,
// and VMs that are QEMU processes.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	_ "github.com/vmware/govmomi/pbm/simulator"
	_ "github.com/vmware/govmomi/vapi/cluster/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

const guestNetwork = "VM Network"

type words []string

func (w *words) String() string     { return strings.Join(*w, ",") }
func (w *words) Set(s string) error { *w = append(*w, s); return nil }

type options struct {
	listen, user, password   string
	certificate, key         string
	boots                    bool
	run, namespace, bridge   string
	tapPrefix                string
	faults, lacks            words
	capacityBytes            int64
	leaseTimeout, sessionEnd time.Duration
}

func parsed() options {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address and port; port 0: one that is free")
	flag.StringVar(&o.user, "username", "administrator@vsphere.local", "")
	flag.StringVar(&o.password, "password", "", "")
	flag.StringVar(&o.certificate, "certificate", "", "PEM file")
	flag.StringVar(&o.key, "key", "", "PEM file")
	flag.BoolVar(&o.boots, "boots", false, "powered-on VMs are QEMU processes")
	flag.StringVar(&o.run, "run", "run", "folder of sockets and logs; relative, as a socket's path has 107 bytes")
	flag.StringVar(&o.namespace, "namespace", "", "network namespace of the VMs")
	flag.StringVar(&o.bridge, "bridge", "bridge", "bridge in it")
	flag.StringVar(&o.tapPrefix, "tap", "vm", "what names of taps begin with")
	flag.Var(&o.faults, "fault", "METHOD[:NAME]=[task:]FAULT[@SKIP][xCOUNT], drop-nfc@BYTES[xCOUNT], lease-timeout[xCOUNT]; repeatable")
	flag.Var(&o.lacks, "lacks", "a privilege that nobody has; repeatable")
	flag.Int64Var(&o.capacityBytes, "capacity", 0, "of the datastore; 0: plenty")
	flag.DurationVar(&o.leaseTimeout, "lease-timeout", 5*time.Minute, "after which an export without progress ends")
	flag.DurationVar(&o.sessionEnd, "session-timeout", 0, "after which an idle session ends; 0: never")
	flag.Parse()
	return o
}

func main() {
	o := parsed()
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	model := simulator.VPX()
	model.Machine, model.Host, model.ClusterHost = 0, 1, 1
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	x := newExtension(model, o)
	for _, text := range o.faults {
		if err := x.faults.add(text); err != nil {
			log.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		log.Fatal(err)
	}
	service := model.Service
	service.Listen = &url.URL{Host: o.listen, User: url.UserPassword(o.user, o.password)}
	service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	service.RegisterEndpoints = true
	service.ServeMux = http.NewServeMux()
	x.routes(service.ServeMux)
	server := service.NewServer()
	x.address = server.URL.Host
	x.install()
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"address": server.URL.Host, "datastore": x.datastore(x.background()).Summary.Url,
	})

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
	for _, m := range x.running() {
		m.kill()
	}
	model.Remove()
}

// datastore is where everything lies; the model has one.
func (x *extension) datastore(ctx *simulator.Context) *simulator.Datastore {
	for _, ref := range ctx.Map.All("Datastore") {
		return ref.(*simulator.Datastore)
	}
	log.Panic("the model has no datastore")
	return nil
}

func reference(kind, value string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: kind, Value: value}
}
