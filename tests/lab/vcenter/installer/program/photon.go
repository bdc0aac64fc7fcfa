package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// photon is the part of Photon's kickstart, a JSON text, that is obeyed.
type photon struct {
	Hostname string `json:"hostname"`
	Password struct {
		Crypted bool   `json:"crypted"`
		Text    string `json:"text"`
	} `json:"password"`
	PublicKey   string   `json:"public_key"`
	PostInstall []string `json:"postinstall"`
	Network     struct {
		Type       string `json:"type"`
		Address    string `json:"ip_addr"`
		Netmask    string `json:"netmask"`
		Gateway    string `json:"gateway"`
		Nameserver string `json:"nameserver"`
	} `json:"network"`
}

func parsePhoton(text string) (*installation, error) {
	var said photon
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return nil, fmt.Errorf("The kickstart is no JSON: %w", err)
	}
	wanted := &installation{keys: map[string][]string{}, ending: "reboot"}
	wanted.root = account{name: "root", home: "/root", secret: said.Password.Text, isHash: said.Password.Crypted}
	wanted.network = network{
		isStatic: said.Network.Type == "static", address: said.Network.Address, netmask: said.Network.Netmask,
		gateway: said.Network.Gateway, nameList: strings.ReplaceAll(said.Network.Nameserver, ",", " "),
		host: said.Hostname,
	}
	if said.PublicKey != "" {
		wanted.keys["root"] = []string{said.PublicKey}
	}
	if len(said.PostInstall) > 0 {
		wanted.scripts = []script{{text: strings.Join(said.PostInstall, "\n") + "\n"}}
	}
	return wanted, nil
}
