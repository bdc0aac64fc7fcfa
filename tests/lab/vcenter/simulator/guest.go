package main

import (
	"bufio"
	"encoding/json"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The guest tells of itself at its second serial port: "TOOLS ip=10.0.0.9 host=name mac=00:0c:29:...", now and then.

func (m *machine) listen() {
	for lines := bufio.NewScanner(m.tools); lines.Scan(); {
		_, told, ok := strings.Cut(lines.Text(), "TOOLS ")
		if !ok {
			continue
		}
		values := map[string]string{}
		for _, word := range strings.Fields(told) {
			key, value, _ := strings.Cut(word, "=")
			values[key] = value
		}
		if _, ok := values["stopping"]; ok {
			m.tell("", "", "", false)
		} else {
			m.tell(values["ip"], values["host"], values["mac"], true)
		}
	}
}

func (m *machine) event(name string, _ json.RawMessage) {
	if name == "RESET" {
		m.tell("", "", "", false)
	}
}

func (m *machine) isUp() bool {
	m.x.mu.Lock()
	defer m.x.mu.Unlock()
	return m.hasTools
}

// tell shows in the inventory what VMware Tools would.
func (m *machine) tell(ip, host, mac string, up bool) {
	ctx := m.x.background()
	vm, ok := ctx.Map.Get(m.ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	m.x.mu.Lock()
	m.hasTools = up
	m.x.mu.Unlock()
	status, running, state := types.VirtualMachineToolsStatusToolsNotRunning, "guestToolsNotRunning", "notRunning"
	if up {
		status, running, state = types.VirtualMachineToolsStatusToolsOk, "guestToolsRunning", "running"
	}
	ctx.WithLock(vm, func() {
		guest := vm.Guest
		if guest.IpAddress == ip && guest.HostName == host && guest.ToolsRunningStatus == running {
			return
		}
		nics := append([]types.GuestNicInfo{}, guest.Net...)
		for i := range nics {
			nics[i].IpAddress = nil
			if ip != "" && strings.EqualFold(nics[i].MacAddress, mac) {
				nics[i].IpAddress, nics[i].Connected = []string{ip}, true
			}
		}
		changes := []types.PropertyChange{{Name: "guest.guestState", Val: state}, {Name: "guest.net", Val: nics}}
		for _, part := range []string{"guest.", "summary.guest."} {
			changes = append(changes,
				types.PropertyChange{Name: part + "ipAddress", Val: unsetIfEmpty(ip)},
				types.PropertyChange{Name: part + "hostName", Val: unsetIfEmpty(host)},
				types.PropertyChange{Name: part + "toolsStatus", Val: status},
				types.PropertyChange{Name: part + "toolsRunningStatus", Val: running},
			)
		}
		ctx.Update(vm, changes)
	})
}

func unsetIfEmpty(text string) any {
	if text == "" {
		return nil
	}
	return text
}
