package main

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// serveAPI answers the vSphere API on port 443 as this installation.
func serveAPI(disk Disk, installation Installation) error {
	certificate, err := tls.X509KeyPair([]byte(installation.Certificate), []byte(installation.PrivateKey))
	if err != nil {
		return err
	}
	model := simulator.ESX()
	model.Datastore, model.Machine = 0, 0
	about := newAbout(model.ServiceContent.About, installation)
	model.ServiceContent.About = about
	describe(&esx.HostSystem, installation)
	if err := model.Create(); err != nil {
		return err
	}
	registry := model.Service.Context.Map
	host := registry.Any("HostSystem").(*simulator.HostSystem)
	started := bootTime()
	host.Config.Product, host.Summary.Config.Product = about, &about // not earlier: Create knows fewer versions
	host.Runtime.BootTime, host.Summary.Runtime.BootTime = &started, &started
	describeNetwork(host.Config, installation.Network)
	host.Config.StorageDevice = describeStorage()
	host.Config.FileSystemVolume = describeVolumes(disk)

	accounts := &accountManager{disk: disk, installation: installation}
	accounts.Self = *model.ServiceContent.AccountManager
	registry.Put(accounts)
	images := &HostImageConfigManager{installation: installation}
	images.Self = *host.ConfigManager.ImageConfigManager
	registry.Put(images)
	sessions := registry.Get(*model.ServiceContent.SessionManager).(*simulator.SessionManager)
	sessions.ValidLogin = func(login *types.Login) bool { return accounts.accepts(login.UserName, login.Password) }
	registry.Handler = refuseStrangers

	model.Service.Listen = &url.URL{Host: "0.0.0.0:443", User: url.User("root")}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server := model.Service.NewServer()
	handler := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if !strings.HasPrefix(request.URL.Path, "/sdk") { // the simulator has more pages, ESXi has not
			http.NotFound(response, request)
			return
		}
		handler.ServeHTTP(response, request)
	})
	return nil
}

// refuseStrangers lets nobody read properties before a login, which the simulator would; only the service content.
func refuseStrangers(context *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if context.Session != nil {
		return nil, nil
	}
	denied := &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &method.This, PrivilegeId: "System.View"}}
	var specs []types.PropertyFilterSpec
	switch body := method.Body.(type) {
	case *types.RetrieveProperties:
		specs = body.SpecSet
	case *types.RetrievePropertiesEx:
		specs = body.SpecSet
	default:
		return nil, nil
	}
	for _, spec := range specs {
		for _, object := range spec.ObjectSet {
			if object.Obj.Type != "ServiceInstance" {
				return nil, denied
			}
		}
	}
	return nil, nil
}

// A HostImageConfigManager tells when the image was installed; the simulator has none.
type HostImageConfigManager struct {
	mo.HostImageConfigManager
	installation Installation
}

// InstallDate is the time stamp the installer left, from the machine's own clock.
func (manager *HostImageConfigManager) InstallDate(*types.InstallDate) soap.HasFault {
	return &methods.InstallDateBody{Res: &types.InstallDateResponse{Returnval: manager.installation.InstallDate}}
}

// An accountManager changes root's password for good; the simulator's forgets it.
type accountManager struct {
	simulator.HostLocalAccountManager
	lock         sync.Mutex
	disk         Disk
	installation Installation
}

func (manager *accountManager) accepts(user, password string) bool {
	manager.lock.Lock()
	hash := manager.installation.PasswordHash
	manager.lock.Unlock()
	return user == "root" && passwordMatches(hash, password)
}

// UpdateUser gives root a new password, by ESXi's own password rule.
func (manager *accountManager) UpdateUser(request *types.UpdateUser) soap.HasFault {
	body := new(methods.UpdateUserBody)
	spec := request.User.GetHostAccountSpec()
	if spec.Id != "root" {
		body.Fault_ = simulator.Fault("", &types.UserNotFound{Principal: spec.Id, Unresolved: true})
		return body
	}
	if err := checkPassword(spec.Password); err != nil {
		fault := &types.SystemError{Reason: err.Error()}
		body.Fault_ = simulator.Fault("A general system error occurred: passwd: "+err.Error(), fault)
		return body
	}
	hash, err := hashPassword(spec.Password)
	if err == nil {
		manager.lock.Lock()
		defer manager.lock.Unlock()
		changed := manager.installation
		changed.PasswordHash = hash
		if err = update(manager.disk, changed); err == nil {
			manager.installation = changed
		}
	}
	if err != nil {
		body.Fault_ = simulator.Fault(err.Error(), &types.SystemError{Reason: err.Error()})
		return body
	}
	say("host: root's password was changed")
	body.Res = new(types.UpdateUserResponse)
	return body
}
