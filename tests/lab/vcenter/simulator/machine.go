package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	serialLog     = "serial.log"
	quitWithin    = 3 * time.Second
	connectWithin = 10 * time.Second
)

// machine is the QEMU process of one VM that is on.
type machine struct {
	x        *extension
	ref      types.ManagedObjectReference
	name     string
	folder   string // of its sockets and its serial log
	command  *exec.Cmd
	qmp      *qmp
	tools    net.Conn
	hasTools bool
	stopping bool // by us: its end is no news
	taps     []string
	media    map[int32]string // key of a removable drive -> file in it
	ended    chan struct{}
}

// startProcesses starts them all: one that is to die with us dies with the thread that started it.
func (x *extension) startProcesses() {
	runtime.LockOSThread()
	for start := range x.started {
		start()
	}
}

func (x *extension) startProcess(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	result := make(chan error)
	x.started <- func() { result <- command.Start() }
	return <-result
}

// inside is a command in the VMs' network namespace.
func (x *extension) inside(words ...string) *exec.Cmd {
	if x.namespace == "" {
		return exec.Command(words[0], words[1:]...)
	}
	return exec.Command("ip", append([]string{"netns", "exec", x.namespace}, words...)...)
}

func (x *extension) execute(words ...string) error {
	out, err := x.inside(words...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// addTap makes one in the VMs' network.
func (x *extension) addTap() (string, error) {
	x.mu.Lock()
	x.taps++
	name := fmt.Sprintf("%s%d", x.tapPrefix, x.taps)
	x.mu.Unlock()
	if err := x.execute("ip", "tuntap", "add", "mode", "tap", "name", name); err != nil {
		return "", err
	}
	return name, x.execute("ip", "link", "set", name, "master", x.bridge, "up")
}

func (m *machine) removeTaps() {
	for _, tap := range m.taps {
		_ = m.x.execute("ip", "link", "delete", tap)
	}
}

// start has the VM's machine running; an error says what QEMU said.
func (x *extension) start(ctx *simulator.Context, vm *simulator.VirtualMachine) error {
	m := &machine{x: x, ref: vm.Self, name: vm.Name, media: map[int32]string{}, ended: make(chan struct{})}
	m.folder = filepath.Join(x.run, vm.Self.Value)
	_ = os.MkdirAll(m.folder, 0o755)
	for _, socket := range []string{"qmp", "tools"} {
		_ = os.Remove(filepath.Join(m.folder, socket))
	}
	arguments, err := m.arguments(ctx, vm)
	if err != nil {
		m.removeTaps()
		return err
	}
	output, err := os.Create(filepath.Join(m.folder, "qemu.log"))
	if err != nil {
		return err
	}
	m.command = x.inside(append([]string{"qemu-system-x86_64"}, arguments...)...)
	m.command.Stdout, m.command.Stderr = output, output
	if err = x.startProcess(m.command); err != nil {
		m.removeTaps()
		return err
	}
	_ = output.Close()
	go func() {
		_ = m.command.Wait()
		m.removeTaps()
		close(m.ended)
	}()
	if err = m.connect(); err != nil {
		_ = m.command.Process.Kill()
		said, _ := os.ReadFile(filepath.Join(m.folder, "qemu.log"))
		return fmt.Errorf("%w: %s", err, said[max(0, len(said)-300):])
	}
	x.mu.Lock()
	x.machines[vm.Self] = m
	delete(x.typed, vm.Name)
	x.mu.Unlock()
	go m.listen()
	go m.watch()
	var delay time.Duration
	if vm.Config.BootOptions != nil {
		delay = time.Duration(vm.Config.BootOptions.BootDelay) * time.Millisecond
	}
	time.AfterFunc(delay, func() { _, _ = m.qmp.do("cont", nil) })
	return nil
}

func (m *machine) connect() error {
	channel, err := m.dial("qmp")
	if err != nil {
		return err
	}
	if m.qmp, err = newQmp(channel, m.event); err != nil {
		return err
	}
	m.tools, err = m.dial("tools")
	return err
}

func (m *machine) dial(socket string) (net.Conn, error) {
	for end := time.Now().Add(connectWithin); ; time.Sleep(20 * time.Millisecond) {
		connection, err := net.Dial("unix", filepath.Join(m.folder, socket))
		if err == nil {
			return connection, nil
		}
		select {
		case <-m.ended:
			return nil, fmt.Errorf("QEMU did not start")
		default:
		}
		if time.Now().After(end) {
			return nil, err
		}
	}
}

// watch has the inventory follow when the machine ends by itself: the guest's power-off, or a crash.
func (m *machine) watch() {
	<-m.ended
	m.tell("", "", "", false)
	m.x.mu.Lock()
	delete(m.x.machines, m.ref)
	stopping := m.stopping
	m.x.mu.Unlock()
	if stopping {
		return
	}
	ctx := m.x.background()
	vm, ok := ctx.Map.Get(m.ref).(*simulator.VirtualMachine)
	for n := 0; ok && n < 100 && vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff; n++ {
		time.Sleep(50 * time.Millisecond) // it ended before its power-on did
	}
	if ok && vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		vm.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: m.ref})
	}
	log.Printf("%s: it is off", m.name)
}

func (m *machine) kill() {
	m.x.mu.Lock()
	m.stopping = true
	m.x.mu.Unlock()
	_, _ = m.qmp.do("quit", nil)
	select {
	case <-m.ended:
	case <-time.After(quitWithin):
		_ = m.command.Process.Kill()
		<-m.ended
	}
}

func removable(device types.BaseVirtualDevice) bool {
	switch device.(type) {
	case *types.VirtualCdrom, *types.VirtualFloppy:
		return true
	}
	return false
}

// changeMedia has the drives hold what the configuration says.
func (m *machine) changeMedia(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	wanted := map[int32]string{}
	for key := range m.media {
		wanted[key] = "" // also of a drive that was removed
	}
	for _, device := range vm.Config.Hardware.Device {
		if removable(device) && backing(device) != "" && connected(device) {
			wanted[device.GetVirtualDevice().Key], _ = m.x.local(ctx, backing(device))
		}
	}
	for key, file := range wanted {
		if file == m.media[key] {
			continue
		}
		id := map[string]any{"id": deviceOf(key), "force": true}
		if file == "" {
			_, _ = m.qmp.do("eject", id)
		} else {
			id["filename"], id["format"] = file, "raw"
			delete(id, "force")
			_, _ = m.qmp.do("blockdev-change-medium", id)
		}
		m.media[key] = file
	}
}
