package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runHost is the installed ESXi: its address, its name, its API.
func runHost() {
	disk, installation, err := findInstallation()
	if err != nil {
		halt("host: %v", err)
	}
	name := installation.Network.Hostname
	if name == "" {
		name = "localhost.localdomain"
	}
	_ = syscall.Sethostname([]byte(name))
	_ = os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost "+name+"\n"), 0o644)
	if err := installation.Network.bringUp(); err != nil {
		say("host: %v", err)
	} else {
		say("host: %s has the address %s on %s", name, installation.Network.Address, installation.Network.MAC)
	}
	if installation.Certificate == "" {
		if err := installation.makeCertificate(); err != nil {
			halt("host: certificate: %v", err)
		}
		if err := update(disk, installation); err != nil {
			halt("host: %v", err)
		}
		say("host: first start of this installation, new certificate")
	}
	go watchPowerButton()
	if err := serveAPI(disk, installation); err != nil {
		halt("host: %v", err)
	}
	say("host: API up on 443: ESXi %s build %s", installation.Version, installation.Build)
	reap()
}

// makeCertificate is made before the host has its name, as on ESXi: it says localhost.localdomain.
func (installation *Installation) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"VMware, Inc"}, CommonName: "localhost.localdomain"},
		DNSNames:     []string{"localhost.localdomain"},
		NotBefore:    time.Now().Add(-24 * time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	installation.Certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	installation.PrivateKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return nil
}

func bootTime() time.Time {
	seconds, _, _ := strings.Cut(readLine("/proc/uptime"), " ")
	uptime, _ := strconv.ParseFloat(seconds, 64)
	return time.Now().Add(-time.Duration(uptime * float64(time.Second))).UTC()
}

// watchPowerButton shuts down when somebody presses it: key 116 of any input device.
func watchPowerButton() {
	paths, _ := filepath.Glob("/dev/input/event*")
	for _, path := range paths {
		go func() {
			device, err := os.Open(path)
			if err != nil {
				return
			}
			event := make([]byte, 24) // struct input_event on 64 bit
			for {
				if n, err := device.Read(event); err != nil || n != len(event) {
					return
				}
				kind, code, value := binary.LittleEndian.Uint16(event[16:]), binary.LittleEndian.Uint16(event[18:]),
					binary.LittleEndian.Uint32(event[20:])
				if kind == 1 && code == 116 && value == 1 {
					say("host: power button, shutting down")
					powerOff()
				}
			}
		}()
	}
}

// reap is the duty of PID 1 for processes that lost their parent.
func reap() {
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(-1, &status, 0, nil); err != nil {
			time.Sleep(time.Second)
		}
	}
}
