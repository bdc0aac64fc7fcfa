"""VMs that boot: an installation by typing, and what becomes of the machine then; kickstarts from other places."""

import json
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from steps.domain.passwords import sha512_crypt
from tests.lab import here
from tests.lab.network import LabNetwork
from tests.lab.vcenter import fixture, ssh
from tests.lab.vcenter.client import Client, client, make_vm
from tests.lab.vcenter.ssh import Guest
from tests.lab.vcenter.transfers import deploy, export
from tests.lab.vcenter.vcenter import VCenter, installer_iso, vcenter

WHY_NOT = here.why_not() or fixture.why_not() or ssh.why_not()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")]

NETWORK = here.network_for_tests("v", 7)
MENU_S = 90  # of patience for the boot menu: it is there after seven seconds on an idle machine
MENU_SIZE = (640, 480)
BOOT_S = 240.0
PASSWORD = "first-Pass.9"


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    with vcenter(tmp_path_factory.mktemp("vcenter"), boots=True, network=NETWORK) as made:
        (made.datastore_folder / "linux.iso").write_bytes(installer_iso().read_bytes())
        yield made
    assert not NETWORK.is_up


@pytest.fixture
def by(vc: VCenter) -> Iterator[Client]:
    with client(vc) as made:
        yield made


def kickstart(*lines: str, ending: str = "reboot") -> str:
    return "\n".join(["install", "lang en_US.UTF-8", "rootpw " + PASSWORD, *lines, ending, ""])


def floppy_with(path: Path, text: str) -> None:
    source = path.with_suffix(".cfg")
    source.write_text(text)
    path.write_bytes(bytes(1440 << 10))
    subprocess.run(["mformat", "-i", str(path), "-f", "1440", "::"], check=True)
    subprocess.run(["mcopy", "-i", str(path), str(source), "::/ks.cfg"], check=True)


def cd_with(path: Path, label: str, text: str) -> None:
    tree = path.with_suffix("")
    tree.mkdir()
    (tree / "ks.cfg").write_text(text)
    subprocess.run(["genisoimage", "-quiet", "-J", "-R", "-V", label, "-o", str(path), str(tree)], check=True)


def at_menu(by: Client, name: str, **media: Any) -> Any:
    """A VM that shows its boot menu, which is drawn in a mode of its own."""
    vm = make_vm(by, name, **media)
    by.done(vm.PowerOnVM_Task())
    end = time.monotonic() + MENU_S
    while struct.unpack(">II", screen(by, vm)[16:24]) != MENU_SIZE:
        assert time.monotonic() < end, f"no boot menu of {name}"
        time.sleep(1)
    time.sleep(2)
    return vm


def screen(by: Client, vm: Any) -> bytes:
    path: str = by.done(vm.CreateScreenshot_Task()).partition("] ")[2]
    content = (by.vc.datastore_folder / path).read_bytes()
    (by.vc.datastore_folder / path).unlink()
    return content


def address(by: Client, vm: Any) -> str:
    told: str = by.until(vm, "guest.ipAddress", bool, BOOT_S)
    return told


def off(by: Client, vm: Any) -> None:
    by.until(vm, "runtime.powerState", lambda value: value == "poweredOff", BOOT_S)


def forgotten(by: Client, vm: Any) -> None:
    by.until(vm, "guest.ipAddress", lambda value: not value, 60)


def clone(by: Client, vm: Any, name: str, *, linked_to: Any = None) -> Any:
    where = vim.vm.RelocateSpec(pool=by.pool)
    if linked_to is not None:
        where.diskMoveType = "createNewChildDiskBacking"
    spec = vim.vm.CloneSpec(location=where, snapshot=linked_to, powerOn=True, template=False)
    return by.done(vm.CloneVM_Task(by.folder, name, spec))


@contextmanager
def served(folder: Path, network: LabNetwork) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer((network.host_address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{network.host_address}:{server.server_port}"
        server.shutdown()


def test_an_image_from_a_menu_to_a_machine_made_of_its_export(vc: VCenter, by: Client, tmp_path: Path) -> None:
    fixed = LabNetwork.esxi_address(NETWORK, 1)
    network = f"network --bootproto=static --ip={fixed} --netmask={NETWORK.netmask} --gateway={NETWORK.host_address}"
    user = "user --name=ops --password=ops-pw --plaintext --groups=wheel"
    post = "%post --erroronfail\nhostname >/etc/from-post\n%end"
    text = kickstart(network + " --nameserver=192.0.2.1 --hostname=base.lab.test", user, post)
    floppy_with(vc.datastore_folder / "ks.flp", text)
    vm = at_menu(by, "base", cd=["linux.iso"], floppy="ks.flp")
    with pytest.raises(vim.fault.ToolsUnavailable):
        vm.ShutdownGuest()
    assert by.type(vm, "\t text ks=hd:fd0:/ks.cfg\n") == 25
    assert (address(by, vm), by.get(vm, "guest.hostName")) == (fixed, "base.lab.test")
    assert "text ks=hd:fd0:/ks.cfg" in vc.console("base")
    root = Guest(tmp_path, fixed, PASSWORD)
    assert root.run("cat /etc/hostname /etc/resolv.conf") == "base.lab.test\nnameserver 192.0.2.1\n"
    assert not Guest(tmp_path, fixed, "wrong").is_let_in()
    ops = Guest(tmp_path, fixed, "ops-pw", user="ops")
    assert ops.run("sudo -S -p '' id -u; sudo -n true || echo refused", "ops-pw\n") == "0\nrefused\n"
    file = tmp_path / "provision.sh"
    file.write_text("echo $0 >/root/provisioned; sync")
    ops.put(file, "/tmp/provision.sh")
    ops.run("sudo -S bash /tmp/provision.sh", "ops-pw\n")

    vm.RebootGuest()
    forgotten(by, vm)
    address(by, vm)
    vm.ShutdownGuest()
    off(by, vm)
    assert by.get(vm, "guest.ipAddress") is None
    drives = [each for each in by.get(vm, "config.hardware.device") if isinstance(each, vim.vm.device.VirtualCdrom)]
    removal = [vim.vm.device.VirtualDeviceSpec(device=each, operation="remove") for each in drives]
    by.done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=removal)))

    snapshot = by.done(vm.CreateSnapshot_Task(name="first", memory=False, quiesce=False))
    linked = clone(by, vm, "linked", linked_to=snapshot)
    address(by, linked)
    assert root.run("cat /root/provisioned; ls /dev/sr0 2>&1 | wc -l") == "/tmp/provision.sh\n1\n"
    root.run("echo only here >/root/linked; sync; poweroff")
    off(by, linked)
    made = export(by, linked)
    by.done(vm.PowerOnVM_Task())
    address(by, vm)
    root.run("! ls /root/linked && rm /root/provisioned && sync")
    by.done(vm.ResetVM_Task())
    forgotten(by, vm)
    address(by, vm)
    by.done(snapshot.RevertToSnapshot_Task())
    assert by.get(vm, "runtime.powerState") == "poweredOff"
    full = clone(by, vm, "full")
    address(by, full)
    assert root.run("ls /root/provisioned") == "/root/provisioned\n"
    by.done(full.PowerOffVM_Task())

    deployed = deploy(by, made, "deployed")
    by.done(deployed.PowerOnVM_Task())
    assert address(by, deployed) == fixed
    assert root.run("cat /root/linked") == "only here\n"
    by.done(deployed.PowerOffVM_Task())


def test_kickstarts_from_other_places_and_one_that_is_not_there(vc: VCenter, by: Client, tmp_path: Path) -> None:
    hashed = f"rootpw --iscrypted {sha512_crypt(PASSWORD, salt='0123456789abcdef')}"
    cd_with(vc.datastore_folder / "oem.iso", "OEMDRV", kickstart(hashed, ending="poweroff"))
    cd_with(vc.datastore_folder / "ks.iso", "KS", kickstart("network --bootproto=dhcp --hostname=by-label"))
    photon = {"hostname": "photon", "password": {"crypted": False, "text": PASSWORD}, "disk": "/dev/sda"}
    (tmp_path / "ks.json").write_text(json.dumps(photon))
    oem = at_menu(by, "oem", cd=["linux.iso", "oem.iso"])
    by.type(oem, "\n")
    lost = at_menu(by, "lost", cd=["linux.iso"])
    by.type(lost, "\t ks=cdrom:/no-such.cfg\n")
    off(by, oem)
    by.done(oem.PowerOnVM_Task())
    assert Guest(tmp_path, address(by, oem), PASSWORD).run("whoami") == "root\n"
    by.done(oem.PowerOffVM_Task())
    asked = "[!] Root password"
    end = time.monotonic() + BOOT_S
    while asked not in vc.console("lost"):
        assert time.monotonic() < end
        time.sleep(1)
    assert "Kickstart file cdrom:/no-such.cfg is missing." in vc.console("lost")
    by.done(lost.PowerOffVM_Task())

    with served(tmp_path, NETWORK) as url:
        label = at_menu(by, "label", cd=["linux.iso", "ks.iso"])
        by.type(label, "\t inst.ks=hd:LABEL=KS:/ks.cfg\n")
        web = at_menu(by, "web", cd=["linux.iso"])
        by.type(web, "\x1b")
        time.sleep(3)  # the menu leaves its graphics, and takes no keys meanwhile
        by.type(web, f"vmlinuz initrd=initrd.img console=ttyS0 ks={url}/ks.json\n")
        assert by.get(label, "guest.hostName") == "by-label" if address(by, label) else False
        assert address(by, web) != address(by, label) and by.get(web, "guest.hostName") == "photon"
