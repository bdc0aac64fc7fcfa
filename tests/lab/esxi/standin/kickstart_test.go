package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

const good = `vmaccepteula
rootpw --iscrypted $6$salt$hash
install --disk=naa.1 --overwritevmfs
network --bootproto=static --device=52:54:00:00:00:01 --ip=10.0.0.5 --netmask=255.255.255.0 --gateway=10.0.0.1
reboot
`

type fakeMachine struct{ vmfs bool }

func (fakeMachine) disks() []Disk {
	return []Disk{
		{Name: "naa.1", Vendor: "ATA", Model: "ONE", Bytes: 200 << 30},
		{Name: "naa.2", Vendor: "ATA", Model: "TWO", Bytes: 20 << 30},
	}
}
func (fakeMachine) macs() []string            { return []string{"52:54:00:00:00:01"} }
func (machine fakeMachine) hasVmfs(Disk) bool { return machine.vmfs }

func evaluateText(t *testing.T, text string, on fakeMachine) (Settings, []string, error) {
	t.Helper()
	kickstart, err := parseKickstart(text)
	if err != nil {
		t.Fatal(err)
	}
	return evaluate(kickstart.Commands, on)
}

func TestWordsAreSplitAsTheInstallerDoes(t *testing.T) {
	for line, want := range map[string][]string{
		`rootpw pa#ss`:               {"rootpw", "pa"},
		`rootpw 'pa#s s'`:            {"rootpw", "pa#s s"},
		`rootpw "a\"b\c" d\ e`:       {"rootpw", `a"b\c`, "d e"},
		`keyboard 'US Default' # us`: {"keyboard", "US Default"},
		`# nothing`:                  nil,
		`a ''`:                       {"a", ""},
	} {
		if got, err := splitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`rootpw "open`, `rootpw 'open`, `end\`} {
		if got, err := splitWords(line); err == nil {
			t.Errorf("%s: got %q, want an error", line, got)
		}
	}
}

func TestScriptEndsAtTheNextSectionOrInclude(t *testing.T) {
	text := "vmaccepteula\n%pre --interpreter=busybox\na # b\n%post\nc\n%include /tmp/x\nreboot\n"
	kickstart, err := parseKickstart(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(kickstart.Scripts) != 2 || kickstart.Scripts[0].Text != "a # b\n" || kickstart.Scripts[1].Text != "c\n" {
		t.Errorf("scripts %+v", kickstart.Scripts)
	}
	if len(kickstart.Commands) != 3 || kickstart.Commands[2].Name != "reboot" {
		t.Errorf("commands %+v", kickstart.Commands)
	}
}

func TestGoodKickstart(t *testing.T) {
	settings, warnings, err := evaluateText(t, good+"frobnicate\n", fakeMachine{vmfs: true})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "frobnicate") {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	if settings.Disk.Name != "naa.1" || !settings.Reboot || !settings.Eject || settings.Network.Address != "10.0.0.5" {
		t.Errorf("settings %+v", settings)
	}
}

func TestStopsBeforeWriting(t *testing.T) {
	for said, change := range map[string][2]string{
		"vmaccepteula is missing":   {"vmaccepteula\n", ""},
		"install is missing":        {"install --disk=naa.1 --overwritevmfs\n", ""},
		"no such disk":              {"naa.1", "naa.9"},
		"ESXi needs 32 GiB":         {"naa.1", "naa.2"},
		"contains a VMFS datastore": {" --overwritevmfs", ""},
		"not claimed by vSAN":       {" --overwritevmfs", " --overwritevsan"},
		"exactly one of --disk":     {"--disk=naa.1", ""},
		"takes $6$":                 {"$6$salt$hash", "$5$salt$hash"},
		"weak password":             {"--iscrypted $6$salt$hash", "Password1"},
		"exactly one password":      {"rootpw --iscrypted $6$salt$hash\n", ""},
		"no such NIC":               {"52:54:00:00:00:01", "52:54:00:00:00:02"},
		"needs --ip":                {" --ip=10.0.0.5", ""},
		"is no netmask":             {"255.255.255.0", "house"},
		"paranoid":                  {"reboot", "paranoid\nfrobnicate"},
		"can only install":          {"reboot", "upgrade --disk=naa.1"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if _, _, err := evaluateText(t, text, fakeMachine{vmfs: true}); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("want %q, got %v", said, err)
		}
	}
}

func TestPasswordOfAHash(t *testing.T) {
	const hash = "$6$saltsalt$b5.OgiN7s.5aanbDajYEOeqm4.ogSvtwn1qN/LqXCu2MI675qfvHFoZZyor4Ef2MSmkRmH9.sebhExB7wL.88/"
	if !passwordMatches(hash, "VMware1!") || passwordMatches(hash, "VMware1") || passwordMatches("", "") {
		t.Error("SHA-512-crypt is not verified")
	}
}

func TestPartitionsReadBack(t *testing.T) {
	image := t.TempDir() + "/disk"
	for size, want := range map[int64][]int{160 << 30: {1, 7, 8}, 40 << 30: {1, 7}} {
		if err := run("truncate", "-s", "0", image); err != nil {
			t.Skip(err)
		}
		if err := run("truncate", "-s", strconv.FormatInt(size, 10), image); err != nil {
			t.Fatal(err)
		}
		if err := writePartitions(image, size, []byte{0xeb}, layout(size)); err != nil {
			t.Fatal(err)
		}
		partitions, err := readPartitions(image)
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		for _, partition := range partitions {
			numbers = append(numbers, partition.Number)
		}
		if !slices.Equal(numbers, want) || partitions[len(partitions)-1].Last >= uint64(size/sectorBytes)-33 {
			t.Errorf("%d: partitions %+v", size, partitions)
		}
	}
}
