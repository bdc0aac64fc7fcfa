package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/GehirnInc/crypt/sha512_crypt"
)

const (
	firstUser    = 1000
	defaultShell = "/bin/bash"
	locked       = "!!"
)

// apply makes the system below root what the kickstart says, its scripts included.
func (wanted *installation) apply(root, kickstart string) error {
	if err := wanted.writeAccounts(root); err != nil {
		return err
	}
	if err := wanted.writeKeys(root); err != nil {
		return err
	}
	n := wanted.network
	mode, host := "dhcp", n.host
	if n.isStatic {
		mode = "static"
	}
	if host == "" {
		host = "localhost.localdomain"
	}
	config := fmt.Sprintf("MODE=%s\nADDRESS=%s\nNETMASK=%s\nGATEWAY=%s\nNAMESERVERS='%s'\n",
		mode, n.address, n.netmask, n.gateway, n.nameList)
	for name, text := range map[string]string{"etc/network.conf": config, "etc/hostname": host + "\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "root/anaconda-ks.cfg"), []byte(kickstart), 0o600); err != nil {
		return err
	}
	for number, each := range wanted.scripts {
		if err := each.run(root, number); err != nil && each.mustSucceed {
			return fmt.Errorf("There was an error running the kickstart script: %w", err)
		} else if err != nil {
			fmt.Fprintf(os.Stderr, "installer: %%post: %v\n", err)
		}
	}
	return nil
}

func (a *account) hash() (string, error) {
	switch {
	case a.secret == "":
		return locked, nil
	case a.isHash:
		return map[bool]string{true: "!"}[a.isLocked] + a.secret, nil
	}
	made, err := sha512_crypt.New().Generate([]byte(a.secret), nil)
	return map[bool]string{true: "!"}[a.isLocked] + made, err
}

// writeAccounts makes root and the users; a user's group is called as the user is.
func (wanted *installation) writeAccounts(root string) error {
	var users, shadow, groups strings.Builder
	members := map[string][]string{"wheel": nil}
	fmt.Fprintf(&groups, "root:x:0:\n")
	for number, each := range append([]account{wanted.root}, wanted.users...) {
		id := 0
		if number > 0 {
			id = firstUser + number - 1
			if given, err := strconv.Atoi(each.uid); err == nil {
				id = given
			}
			fmt.Fprintf(&groups, "%s:x:%d:\n", each.name, id)
		}
		hash, err := each.hash()
		if err != nil {
			return err
		}
		if each.home == "" {
			each.home = "/home/" + each.name
		}
		if each.shell == "" {
			each.shell = defaultShell
		}
		for _, group := range each.groups {
			members[group] = append(members[group], each.name)
		}
		fmt.Fprintf(&users, "%s:x:%d:%d::%s:%s\n", each.name, id, id, each.home, each.shell)
		fmt.Fprintf(&shadow, "%s:%s:19000:0:99999:7:::\n", each.name, hash)
		if err := makeFor(id, filepath.Join(root, each.home)); err != nil {
			return err
		}
	}
	number := 10 // the number of wheel
	for _, name := range sortedKeys(members) {
		fmt.Fprintf(&groups, "%s:x:%d:%s\n", name, number, strings.Join(members[name], ","))
		number++
	}
	for name, text := range map[string]string{"passwd": users.String(), "group": groups.String()} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(root, "etc/shadow"), []byte(shadow.String()), 0o600)
}

func makeFor(id int, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return os.Chown(folder, id, id)
}

func (wanted *installation) writeKeys(root string) error {
	text, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.Split(line, ":")
		keys := wanted.keys[fields[0]]
		if len(keys) == 0 {
			continue
		}
		id, _ := strconv.Atoi(fields[2])
		folder := filepath.Join(root, fields[5], ".ssh")
		if err := makeFor(id, folder); err != nil {
			return err
		}
		file := filepath.Join(folder, "authorized_keys")
		if err := os.WriteFile(file, []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
			return err
		}
		if err := os.Chown(file, id, id); err != nil {
			return err
		}
	}
	return nil
}

// run has the script executed in the installed system, or outside of it, where that is below /mnt.
func (s *script) run(root string, number int) error {
	interpreter := s.interpreter
	if interpreter == "" {
		interpreter = "/bin/sh"
	}
	name := fmt.Sprintf("/tmp/ks-script-%d", number)
	below := root
	if s.outside {
		below = ""
	}
	if err := os.WriteFile(below+name, []byte(s.text), 0o700); err != nil {
		return err
	}
	defer os.Remove(below + name)
	command := exec.Command(interpreter, name)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "ANA_INSTALL_PATH=" + root}
	command.Dir = "/"
	if !s.outside {
		command.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	}
	var output io.Writer = os.Stderr
	if s.log != "" {
		log, err := os.Create(below + s.log)
		if err != nil {
			return err
		}
		defer log.Close()
		output = log
	}
	command.Stdout, command.Stderr = output, output
	return command.Run()
}
