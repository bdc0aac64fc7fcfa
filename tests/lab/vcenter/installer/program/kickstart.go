package main

import (
	"fmt"
	"slices"
	"strings"
)

// installation is what a kickstart asks for.
type installation struct {
	root    account
	users   []account
	keys    map[string][]string // user -> public keys
	network network
	scripts []script
	ending  string // reboot, "reboot eject", poweroff, or "wait" for a key
}

type account struct {
	name, secret, home, shell, uid string
	isHash, isLocked               bool
	groups                         []string
}

type network struct {
	isStatic                                  bool
	address, netmask, gateway, host, nameList string
}

type script struct {
	text, interpreter, log string
	outside, mustSucceed   bool
}

// What anaconda knows and a machine with one disk and one system needs nothing of.
var ignored = strings.Fields(`auth authconfig authselect autopart autostep bootloader btrfs cdrom clearpart cmdline
	device driverdisk eula fcoe firewall firstboot graphical group harddrive ignoredisk install iscsi iscsiname keyboard
	lang liveimg logging logvol mediacheck method module mount nfs nvdimm ostreesetup part partition raid realm repo
	reqpart rescue selinux services skipx snapshot sshpw syspurpose text timesource timezone updates upgrade url vnc
	volgroup xconfig zerombr zfcp`)

var sections = strings.Fields("%pre %pre-install %post %packages %addon %anaconda %onerror %traceback %certificate")

func parse(text string) (*installation, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return parsePhoton(text)
	}
	wanted := &installation{root: account{name: "root", home: "/root"}, keys: map[string][]string{}, ending: "wait"}
	lines := strings.Split(text, "\n")
	for n := 0; n < len(lines); n++ {
		words, err := splitWords(lines[n])
		if err != nil {
			return nil, fmt.Errorf("The following problem occurred on line %d of the kickstart file: %w", n+1, err)
		}
		if len(words) == 0 {
			continue
		}
		if !strings.HasPrefix(words[0], "%") {
			err = wanted.obey(words[0], words[1:])
		} else {
			last := slices.IndexFunc(lines[n+1:], func(line string) bool { return strings.TrimSpace(line) == "%end" })
			if last < 0 {
				err = fmt.Errorf("Section %s does not end with %%end.", words[0])
			} else {
				err = wanted.section(words[0], words[1:], lines[n+1:n+1+last])
				n += last + 1
			}
		}
		if err != nil {
			return nil, fmt.Errorf("The following problem occurred on line %d of the kickstart file: %w", n+1, err)
		}
	}
	return wanted, nil
}

func (wanted *installation) obey(command string, words []string) error {
	options, rest := split(words)
	switch command {
	case "rootpw":
		wanted.root.setSecret(options, strings.Join(rest, ""))
	case "user":
		made := account{name: options["name"], home: options["homedir"], shell: options["shell"], uid: options["uid"]}
		made.setSecret(options, options["password"])
		made.groups = strings.FieldsFunc(options["groups"], func(r rune) bool { return r == ',' })
		wanted.users = append(wanted.users, made)
	case "sshkey":
		wanted.keys[options["username"]] = append(wanted.keys[options["username"]], strings.Join(rest, " "))
	case "network":
		wanted.network.set(options)
	case "poweroff", "shutdown":
		wanted.ending = "poweroff"
	case "halt": // a message, and a wait for a key
		wanted.ending = "wait"
	case "reboot":
		wanted.ending = command
		if _, ejects := options["eject"]; ejects {
			wanted.ending = "reboot eject"
		}
	default:
		if !slices.Contains(ignored, command) {
			return fmt.Errorf("Unknown command: %s", command)
		}
	}
	return nil
}

// split takes --name=value, --name value of those that need one, and --name apart from the rest.
func split(words []string) (map[string]string, []string) {
	options, rest := map[string]string{}, []string{}
	for i := 0; i < len(words); i++ {
		name, value, hasValue := strings.Cut(strings.TrimPrefix(words[i], "--"), "=")
		if !strings.HasPrefix(words[i], "--") {
			rest = append(rest, words[i])
			continue
		}
		if !hasValue && slices.Contains(needValue, name) && i+1 < len(words) {
			i++
			value = words[i]
		}
		options[name] = value
	}
	return options, rest
}

var needValue = strings.Fields(`name password homedir shell uid groups username bootproto ip netmask gateway hostname
	nameserver device interpreter log`)

func (a *account) setSecret(options map[string]string, secret string) {
	_, a.isHash = options["iscrypted"]
	_, a.isLocked = options["lock"]
	a.secret = secret
}

func (n *network) set(options map[string]string) {
	if host := options["hostname"]; host != "" {
		n.host = host
	}
	if options["bootproto"] == "static" || options["ip"] != "" {
		n.isStatic = true
		n.address, n.netmask, n.gateway = options["ip"], options["netmask"], options["gateway"]
	} else if _, said := options["bootproto"]; said {
		n.isStatic = false
	}
	if servers := options["nameserver"]; servers != "" {
		n.nameList = strings.ReplaceAll(servers, ",", " ")
	}
}

func (wanted *installation) section(name string, words, lines []string) error {
	if !slices.Contains(sections, name) {
		return fmt.Errorf("Unknown kickstart section: %s", name)
	}
	if name != "%post" {
		return nil
	}
	options, _ := split(words)
	made := script{text: strings.Join(lines, "\n") + "\n", interpreter: options["interpreter"], log: options["log"]}
	_, made.outside = options["nochroot"]
	_, made.mustSucceed = options["erroronfail"]
	wanted.scripts = append(wanted.scripts, made)
	return nil
}

// question is what the installer stops with although it has a kickstart.
func (wanted *installation) question() error {
	admin := slices.ContainsFunc(wanted.users, func(user account) bool { return slices.Contains(user.groups, "wheel") })
	if wanted.root.secret == "" && !(wanted.root.isLocked && admin) && !admin {
		return fmt.Errorf("2) [!] Root password (Password is not set)")
	}
	if n := wanted.network; n.isStatic && (n.address == "" || n.netmask == "") {
		return fmt.Errorf("3) [!] Network configuration (an address and a netmask are needed)")
	}
	return nil
}
