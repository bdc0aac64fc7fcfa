"""An OVA of ours in others' hands: govc imports it with properties, tar and qemu-img take it apart, and it boots.

A system is installed once, exported and written as an OVA. It makes the address of a property its own.
"""

import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steps.domain.ova import FileTarget, OvaWriter
from steps.domain.ovf import Appliance, Product
from steps.domain.ovf.appliance import Network, OperatingSystem, Property, Setting
from steps.domain.ovf.hardware import CdDrive, Controller, Disk, Hardware, Nic
from tests.lab import here, qemu
from tests.lab.network import LabNetwork
from tests.lab.vcenter import fixture, ssh
from tests.lab.vcenter.client import Client, client, make_vm
from tests.lab.vcenter.govc import Govc, GovcFailed
from tests.lab.vcenter.ssh import Guest
from tests.lab.vcenter.transfers import export
from tests.lab.vcenter.vcenter import VCenter, installer_iso, vcenter

WHY_NOT = here.why_not() or fixture.why_not() or ssh.why_not()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")]

NETWORK = here.network_for_tests("o", 5)
FIXED, GIVEN = (LabNetwork.esxi_address(NETWORK, index) for index in (1, 2))
DISK_MIB = 100
PASSWORD = "first-Pass.9"
BOOT_S = 240.0
KICKSTART = f"""install
rootpw {PASSWORD}
network --bootproto=static --ip={FIXED} --netmask={NETWORK.netmask} --hostname=base
poweroff
%post --erroronfail
cat >/etc/rc.local <<'END'
#!/bin/sh
vmtoolsd --cmd "info-get guestinfo.ovfEnv" >/run/ovf-env.xml || exit 0
property() {{ sed -n "s/.*oe:key=\\"$1\\" oe:value=\\"\\([^\\"]*\\)\\".*/\\1/p" /run/ovf-env.xml; }}
hostname "$(property k3s.hostname)"
ifconfig eth0 "$(property k3s.ip)" netmask {NETWORK.netmask}
END
chmod 755 /etc/rc.local
%end
"""
KEYS = ["k3s.hostname", "k3s.ip", "k3s.token"]


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    with vcenter(tmp_path_factory.mktemp("vcenter"), boots=True, network=NETWORK) as made:
        (made.datastore_folder / "linux.iso").write_bytes(installer_iso().read_bytes())
        yield made
    assert not NETWORK.is_up


@pytest.fixture(scope="module")
def by(vc: VCenter) -> Iterator[Client]:
    with client(vc) as made:
        yield made


@pytest.fixture(scope="module")
def ova(by: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed system as an OVA."""
    vm = installed(by, "base")
    (content,) = export(by, vm).disks.values()
    by.done(vm.Destroy_Task())
    file = tmp_path_factory.mktemp("ova") / "k3s.ova"
    with file.open("wb") as target:
        writer = OvaWriter(FileTarget(target), appliance())
        with writer.disk("system") as disk:
            disk.write(content)
        writer.finish()
    return file


def installed(by: Client, name: str) -> Any:
    """A VM that installed itself and switched itself off."""
    tree = by.vc.datastore_folder / "kickstart"
    tree.mkdir()
    (tree / "ks.cfg").write_text(KICKSTART)
    oemdrv = ["-V", "OEMDRV", "-o", str(by.vc.datastore_folder / "ks.iso")]
    subprocess.run(["genisoimage", "-quiet", "-J", "-R", *oemdrv, str(tree)], check=True)
    vm = make_vm(by, name, disk_mib=DISK_MIB, cd=["linux.iso", "ks.iso"])
    by.done(vm.PowerOnVM_Task())
    end = time.monotonic() + BOOT_S
    while "installer: " not in by.vc.console(name):
        assert time.monotonic() < end, "no installer"
        by.type(vm, "\n")  # the menu's first entry, as soon as there is a menu
        time.sleep(1)
    by.until(vm, "runtime.powerState", lambda value: value == "poweredOff", BOOT_S)
    assert "Installation complete: poweroff" in by.vc.console(name)
    return vm


def appliance() -> Appliance:
    properties = (
        Property(key="hostname", default="localhost", label="Host name"),
        Property(key="ip", label="Address"),
        Property(key="token", default="a&b"),
        Property(key="build", default="7", user_configurable=False),
    )
    return Appliance(
        name="k3s",
        networks=(Network(name="inside"),),
        hardware=Hardware(
            version="vmx-14",
            cpus=1,
            memory_mib=512,
            controllers=(Controller(kind="pvscsi"), Controller(kind="ide")),
            disks=(Disk(id="system", capacity_bytes=DISK_MIB << 20, controller="scsi0", unit=0),),
            nics=(Nic(network="inside"),),
            cds=(CdDrive(controller="ide0", unit=0),),
        ),
        operating_system=OperatingSystem(guest_id="other5xLinux64Guest"),
        product=Product(name="k3s", version="1", class_id="k3s", properties=properties),
        transports=("com.vmware.guestInfo", "iso"),
        extra_config=(Setting(key="guestinfo.stage", value="lab"),),
    )


def told_in(text: str) -> dict[str, str]:
    """The properties of an OVF environment."""
    oe = "{http://schemas.dmtf.org/ovf/environment/1}"
    found = ET.fromstring(text).iterfind(f"{oe}PropertySection/{oe}Property")
    return {each.get(f"{oe}key", ""): each.get(f"{oe}value", "") for each in found}


def test_govc_imports_it_and_the_guest_gets_what_was_given(ova: Path, by: Client, tmp_path: Path) -> None:
    govc = Govc(by.vc, tmp_path)
    listed = {each["Key"]: each["Value"] for each in govc.spec(ova)["PropertyMapping"]}
    assert listed == {"k3s.hostname": "localhost", "k3s.ip": "", "k3s.token": "a&b"}

    govc.import_ova(ova, "imported", {"k3s.hostname": "node-1", "k3s.ip": GIVEN})
    vm = by.vm("imported")
    by.until(vm, "guest.ipAddress", lambda value: value == GIVEN, BOOT_S)
    assert govc.run("vm.ip", "imported") == f"{GIVEN}\n" and by.get(vm, "guest.hostName") == "node-1"
    root = Guest(tmp_path, GIVEN, PASSWORD)
    wanted = {"k3s.hostname": "node-1", "k3s.ip": GIVEN, "k3s.token": "a&b", "k3s.build": "7"}
    assert told_in(root.run('vmtoolsd --cmd "info-get guestinfo.ovfEnv"')) == wanted
    assert told_in(root.run("mount -t iso9660 -o ro /dev/sr0 /mnt && cat /mnt/ovf-env.xml")) == wanted
    assert root.run("vmware-rpctool 'info-get guestinfo.stage'") == "lab\n"
    assert root.run("vmtoolsd --cmd 'info-get guestinfo.none' 2>&1 || echo $?") == "No value found\n1\n"
    by.done(vm.PowerOffVM_Task())


def test_govc_refuses_one_whose_disk_has_changed(ova: Path, vc: VCenter, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.ova"
    content = bytearray(ova.read_bytes())
    content[len(content) // 2] ^= 1
    spoilt.write_bytes(content)
    with pytest.raises(GovcFailed, match=r"checksum .* mismatch"):
        Govc(vc, tmp_path).import_ova(spoilt, "spoilt", {}, power_on=False)


def test_tar_and_qemu_read_it_and_it_boots_on_a_plain_machine(ova: Path, vc: VCenter, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", str(ova)], cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k3s-disk1.vmdk", "k3s.mf", "k3s.ovf"]
    folder = tmp_path / "machine"
    folder.mkdir()
    convert = ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", "k3s-disk1.vmdk", str(folder / "disk0.img")]
    subprocess.run(convert, cwd=tmp_path, check=True)
    machine = qemu.QemuMachine(
        folder,
        name="plain",
        serial="PLAIN",
        nics=[qemu.Nic("52:54:00:00:00:05", NETWORK.tap(0))],
        memory_mib=512,
        namespace=NETWORK.name,
    )
    machine.power_on(cd_first=False, mode="Legacy")
    try:
        end = time.monotonic() + BOOT_S
        while "system: started" not in machine.console_text():
            assert time.monotonic() < end and machine.is_on, machine.console_text()
            time.sleep(0.5)
        root = Guest(tmp_path, FIXED, PASSWORD)
        told = root.run("hostname; vmtoolsd --cmd 'info-get guestinfo.ovfEnv' 2>&1 || cat /sys/block/sda/size")
        assert told == f"base\nNo value found\n{DISK_MIB << 11}\n"
    finally:
        machine.close()
