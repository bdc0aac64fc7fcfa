package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/GehirnInc/crypt"
	_ "github.com/GehirnInc/crypt/md5_crypt"
	_ "github.com/GehirnInc/crypt/sha256_crypt"
	_ "github.com/GehirnInc/crypt/sha512_crypt"
)

// rule is a line of a sudoers file: who may run all, and whether the password is asked.
var sudoersRule = regexp.MustCompile(`^(%?[\w.-]+)\s+ALL\s*=\s*(?:\([^)]*\)\s*)?(NOPASSWD:)?\s*ALL\s*$`)

// sudo becomes the command, run as root; it returns only why it did not. Options: -S -n -E -H -k -p WORD -u root.
func sudo(arguments []string) error {
	var reads, silent bool
	for len(arguments) > 0 && strings.HasPrefix(arguments[0], "-") && arguments[0] != "-" {
		option := arguments[0]
		arguments = arguments[1:]
		if option == "--" {
			break
		}
		reads, silent = reads || strings.Contains(option, "S"), silent || strings.Contains(option, "n")
		if (strings.HasSuffix(option, "p") || strings.HasSuffix(option, "u")) && len(arguments) > 0 {
			arguments = arguments[1:]
		}
	}
	for len(arguments) > 0 && strings.Contains(arguments[0], "=") {
		name, value, _ := strings.Cut(arguments[0], "=")
		_ = os.Setenv(name, value)
		arguments = arguments[1:]
	}
	if len(arguments) == 0 {
		return errors.New("usage: sudo [-S] [-n] [-E] command")
	}
	if err := allowed(reads, silent); err != nil {
		return err
	}
	if err := syscall.Setgid(0); err != nil {
		return err
	}
	if err := syscall.Setuid(0); err != nil {
		return err
	}
	program, err := exec.LookPath(arguments[0])
	if err != nil {
		return fmt.Errorf("%s: command not found", arguments[0])
	}
	return syscall.Exec(program, arguments, os.Environ())
}

func allowed(reads, silent bool) error {
	caller, err := user.LookupId(fmt.Sprint(os.Getuid()))
	if err != nil || caller.Uid == "0" {
		return err
	}
	may, asks := rights(caller.Username)
	if !may {
		return fmt.Errorf("%s is not in the sudoers file", caller.Username)
	}
	if !asks {
		return nil
	}
	if silent || !reads {
		return errors.New("a password is required")
	}
	given, _ := bufio.NewReaderSize(oneByOne{}, 1).ReadString('\n')
	shadow, err := os.ReadFile("/etc/shadow")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(shadow), "\n") {
		fields := strings.Split(line, ":")
		if fields[0] != caller.Username || !crypt.IsHashSupported(fields[1]) {
			continue
		}
		if crypt.NewFromHash(fields[1]).Verify(fields[1], []byte(strings.TrimRight(given, "\n"))) == nil {
			return nil
		}
	}
	return errors.New("1 incorrect password attempt")
}

// oneByOne leaves to the command what comes after the password.
type oneByOne struct{}

func (oneByOne) Read(into []byte) (int, error) { return os.Stdin.Read(into[:1]) }

// rights reads the sudoers files; the last line that fits counts.
func rights(name string) (may, asks bool) {
	groups, _ := os.ReadFile("/etc/group")
	in := map[string]bool{name: true}
	for _, line := range strings.Split(string(groups), "\n") {
		if fields := strings.Split(line, ":"); len(fields) == 4 && slices.Contains(strings.Split(fields[3], ","), name) {
			in["%"+fields[0]] = true
		}
	}
	files, _ := filepath.Glob("/etc/sudoers.d/*")
	for _, file := range append([]string{"/etc/sudoers"}, files...) {
		text, _ := os.ReadFile(file)
		for _, line := range strings.Split(string(text), "\n") {
			if part := sudoersRule.FindStringSubmatch(strings.TrimSpace(line)); part != nil && in[part[1]] {
				may, asks = true, part[2] == ""
			}
		}
	}
	return may, asks
}

func sortedKeys(of map[string][]string) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] == "wheel" || (keys[j] != "wheel" && keys[i] < keys[j]) })
	return keys
}
