package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const busybox = "/bin/busybox"

// The modules of Debian's cloud kernel that the two roles need; their dependencies come with them.
var modules = []string{
	"virtio_pci", "virtio_scsi", "sd_mod", "sr_mod", "virtio_net", "isofs", "vfat", "nls_cp437", "nls_ascii",
	"nls_utf8", "8021q", "af_packet", "button", "evdev",
}

// boot makes a bare initramfs into a running system and plays the role that the kernel's command line names.
func boot() {
	prepareSystem()
	options := kernelOptions()
	say("standin: role %s, firmware %s, clock %s", options["standin.role"], firmware(),
		time.Now().UTC().Format(time.RFC3339))
	switch options["standin.role"] {
	case "installer":
		runInstaller()
	case "host":
		runHost()
	default:
		halt("standin: no role on the kernel's command line")
	}
}

func prepareSystem() {
	for _, mount := range []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}, {"devtmpfs", "/dev", "devtmpfs"}, {"tmpfs", "/tmp", "tmpfs"},
	} {
		_ = os.MkdirAll(mount.target, 0o755)
		if err := syscall.Mount(mount.source, mount.target, mount.kind, 0, ""); err != nil {
			fmt.Println("standin: mount", mount.target, err)
		}
	}
	_ = os.Setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
	_ = os.Setenv("HOME", "/")
	for _, directory := range []string{"/var/log", "/etc", "/cdrom", "/disk", "/root", "/usr/bin", "/usr/sbin", "/sbin"} {
		_ = os.MkdirAll(directory, 0o755)
	}
	_ = exec.Command(busybox, "--install", "-s", "/bin").Run()
	_ = os.Symlink("/init", "/bin/localcli")
	openConsole()
	for _, module := range modules {
		_ = exec.Command(busybox, "modprobe", module).Run() // built into some kernels
	}
	waitUntil(10*time.Second, func() bool { return len(findDisks()) > 0 })
}

// openConsole makes the serial line standard output and error: what a person would see on the screen.
func openConsole() {
	console, err := os.OpenFile("/dev/ttyS0", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return
	}
	os.Stdout, os.Stderr = console, console
	for fd := 0; fd < 3; fd++ {
		_ = syscall.Dup3(int(console.Fd()), fd, 0)
	}
}

func kernelOptions() map[string]string {
	text, _ := os.ReadFile("/proc/cmdline")
	return optionTokens(string(text))
}

// optionTokens reads boot options: name=value, or a bare name with an empty value.
func optionTokens(text string) map[string]string {
	options := map[string]string{}
	for _, token := range strings.Fields(text) {
		name, value, _ := strings.Cut(token, "=")
		options[name] = value
	}
	return options
}

func firmware() string {
	if _, err := os.Stat("/sys/firmware/efi"); err == nil {
		return "UEFI"
	}
	return "BIOS"
}

// say writes a line to the console and to the log that scripts of a kickstart may read.
func say(format string, values ...any) {
	uptime, _ := os.ReadFile("/proc/uptime")
	seconds, _, _ := strings.Cut(string(uptime), " ")
	line := fmt.Sprintf("[%s] %s\n", seconds, fmt.Sprintf(format, values...))
	fmt.Print(line)
	if log, err := os.OpenFile("/var/log/weasel.log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		_, _ = log.WriteString(line)
		_ = log.Close()
	}
}

// halt says why nothing goes on and stays, as a screen that waits for a person does.
func halt(format string, values ...any) {
	say(format, values...)
	select {}
}

func restart() {
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
}

func powerOff() {
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

func waitUntil(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}

// run calls a program of the initramfs; its output is part of the error.
func run(name string, arguments ...string) error {
	output, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(arguments, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
