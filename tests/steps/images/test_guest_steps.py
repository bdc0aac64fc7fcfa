"""A guest: waited for, provisioned once, zeroed and shut down; and what is said when it does not come."""

import socket
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from steps.build import provision_guest, shrink_disk, shut_down_vm, wait_for_guest
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import TimedOut, Unavailable, Unsupported, VerifyFailed
from steps.domain.image.shrink import SCRIPT
from tests.lab.vcenter.fixture import GUEST_PASSWORD, why_not
from tests.steps.images.lab import Lab
from tests.steps.images.sshd import Sshd, sshd

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd(GUEST_PASSWORD) as made:
        yield made


@pytest.fixture
def guest(server: Sshd) -> Sshd:
    """One that was asked nothing yet."""
    server.asked, server.answers, server.on_order = [], {}, lambda: None
    server.password = GUEST_PASSWORD
    return server


def at(port: int, more: str = "") -> str:
    return f"ssh_host: {HERE}\nssh_port: {port}\nssh_timeout: 1s\n{more}"


def test_a_guest_that_logs_in_is_waited_for_once(lab: Lab, guest: Sshd) -> None:
    plan = lab.plan(at(guest.port))
    made = lab.made(plan)
    first = lab.do(wait_for_guest, plan, vm=made)
    assert (first.address, lab.seen(made).power) == (HERE, "on")
    assert "host key SHA256:" in first.evidence
    before = lab.changes()
    assert lab.do(wait_for_guest, plan, vm=made) == first
    assert lab.changes() == before and guest.asked == []


def test_a_guest_without_an_address(lab: Lab) -> None:
    plan = lab.plan("ip_wait_timeout: 1s\nip_settle_timeout: 0s\n")
    made = lab.made(plan)
    with pytest.raises(TimedOut, match="an address of the guest did not happen within 1 s") as caught:
        lab.do(wait_for_guest, plan, vm=made)
    assert caught.value.exit_code == 13 and made in caught.value.where
    assert "open-vm-tools" in caught.value.hint


def test_a_machine_that_is_switched_off_again_and_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = lab.plan("ip_wait_timeout: 20s\n")
    made = lab.made(plan)
    power_on = Vm.power_on

    def briefly(vm: Vm) -> None:
        power_on(vm)
        vm.power_off()

    monkeypatch.setattr(Vm, "power_on", briefly)
    with pytest.raises(TimedOut, match="it was off 3 times") as caught:
        lab.do(wait_for_guest, plan, vm=made)
    assert "kickstart" in caught.value.hint


def test_a_guest_whose_ssh_refuses(lab: Lab) -> None:
    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    plan = lab.plan(at(port))
    with pytest.raises(TimedOut, match=r"nobody could log in within 1 s: SSH does not answer") as caught:
        lab.do(wait_for_guest, plan, vm=lab.made(plan))
    assert caught.value.where == f"root@{HERE} port {port}" and "sshd" in caught.value.hint


def test_a_guest_with_another_password(lab: Lab, guest: Sshd) -> None:
    guest.password = "another"
    plan = lab.plan(at(guest.port))
    with pytest.raises(TimedOut, match="does not accept the password") as caught:
        lab.do(wait_for_guest, plan, vm=lab.made(plan))
    assert "kickstart" in caught.value.hint and GUEST_PASSWORD not in str(caught.value)


def test_where_nobody_logs_in_the_installer_s_end_is_waited_for(lab: Lab) -> None:
    plan = lab.plan("communicator: none\nshutdown_timeout: 1s\n")
    made = lab.made(plan)
    assert lab.do(wait_for_guest, plan, vm=made).address == ""
    with lab.vm(made) as vm:
        vm.power_on()
    with pytest.raises(TimedOut, match="the end of the installation did not happen within 1 s") as caught:
        lab.do(wait_for_guest, plan, vm=made)
    assert "console" in caught.value.hint


STEPS = """
provision:
- {upload: motd, to: /etc/motd, mode: "0600"}
- {inline: ["echo first"]}
- {script: second.sh, environment: {A: b}}
"""


@pytest.fixture
def settings(lab: Lab, guest: Sshd) -> str:
    (lab.folder / "motd").write_text("welcome")
    (lab.folder / "second.sh").write_text("#!/bin/sh\necho second\n")
    return at(guest.port, STEPS)


def test_a_guest_is_provisioned_once_and_in_order(lab: Lab, guest: Sshd, settings: str) -> None:
    plan = lab.plan(settings)
    made = lab.made(plan)
    lab.do(provision_guest, plan, vm=made, address=HERE)
    assert guest.files[:2] == [b"welcome", b"#!/bin/sh -e\necho first\n"]
    assert sorted(guest.files[2:]) == [b"#!/bin/sh\necho second\n", b"export A=b\n"]
    assert len(guest.orders) == 2 and lab.seen(made).notes == {"provisioned": "3"}
    asked, before = list(guest.asked), lab.changes()
    lab.do(provision_guest, plan, vm=made, address=HERE)
    assert (guest.asked, lab.changes()) == (asked, before)


def test_a_script_that_fails_says_its_last_word_and_begins_there_again(lab: Lab, guest: Sshd, settings: str) -> None:
    plan = lab.plan(settings)
    made = lab.made(plan)
    guest.answers = {".env": (3, "one\nno route to host\n")}
    with pytest.raises(VerifyFailed, match=r"second.sh ended with 3: no route to host") as caught:
        lab.do(provision_guest, plan, vm=made, address=HERE)
    assert (caught.value.exit_code, caught.value.where) == (14, f"root@{HERE} port {guest.port}")
    assert "allowed_codes" in caught.value.hint
    assert lab.seen(made).notes == {"provisioned": "2"}
    guest.asked, guest.answers = [], {}
    lab.do(provision_guest, plan, vm=made, address=HERE)
    assert [b"welcome" in guest.files, len(guest.orders)] == [False, 1]


def test_free_space_is_zeroed_unless_that_is_not_wanted(lab: Lab, guest: Sshd) -> None:
    plan = lab.plan(at(guest.port))
    made = lab.made(plan)
    lab.do(shrink_disk, plan, vm=made, address=HERE)
    assert guest.files == [SCRIPT] and len(guest.orders) == 1
    guest.answers = {"herasphere-": (1, "")}
    with pytest.raises(VerifyFailed, match="zeroing free space ended with 1"):
        lab.do(shrink_disk, plan, vm=made, address=HERE)
    guest.asked = []
    unwanted = lab.plan(at(guest.port, "shrink: false\n"))
    assert lab.do(shrink_disk, unwanted, vm=made, address=HERE).evidence == "the settings want no shrinking"
    assert guest.asked == []


@pytest.mark.parametrize("step", [provision_guest, shrink_disk], ids=["provision", "shrink"])
def test_a_guest_that_is_gone_is_tried_again(lab: Lab, step: ModuleType) -> None:
    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    plan = lab.plan(at(port, "provision: [{inline: 'true'}]\n"))
    with pytest.raises(Unavailable, match="SSH does not answer") as caught:
        lab.do(step, plan, vm=lab.made(plan), address=HERE)
    assert caught.value.exit_code == 75 and f"{HERE} port {port}" in caught.value.where


def test_a_vm_that_is_off_is_left_alone(lab: Lab) -> None:
    plan = lab.plan()
    made = lab.made(plan)
    before = lab.changes()
    assert lab.do(shut_down_vm, plan, vm=made, address="").evidence == "the VM was off already"
    assert lab.changes() == before


def test_a_guest_is_shut_down_by_its_own_command(lab: Lab, guest: Sshd) -> None:
    plan = lab.plan(at(guest.port, "shutdown_command: halt -p\n"))
    made = lab.made(plan)

    def off() -> None:
        with lab.vm(made) as vm:
            vm.power_off()

    with lab.vm(made) as vm:
        vm.power_on()
    guest.on_order = lambda: threading.Thread(target=off).start()
    assert lab.do(shut_down_vm, plan, vm=made, address=HERE).evidence == "off: ran halt -p"
    assert guest.files == [b"#!/bin/sh\nhalt -p\n"] and lab.seen(made).power == "off"


def test_a_guest_that_does_not_shut_down(lab: Lab, guest: Sshd) -> None:
    plan = lab.plan(at(guest.port, "shutdown_command: 'true'\nshutdown_timeout: 1s\n"))
    made = lab.made(plan)
    with lab.vm(made) as vm:
        vm.power_on()
    with pytest.raises(TimedOut, match="the guest's shutdown did not happen within 1 s") as caught:
        lab.do(shut_down_vm, plan, vm=made, address=HERE)
    assert made in caught.value.where


def test_a_guest_is_asked_by_vmware_tools_unless_they_do_not_run(lab: Lab) -> None:
    plan = lab.plan()
    made = lab.made(plan)
    with lab.vm(made) as vm:
        vm.power_on()
    lab.vc.fault("ShutdownGuest=ToolsUnavailable")
    with pytest.raises(Unsupported, match="VMware Tools do not run") as caught:
        lab.do(shut_down_vm, plan, vm=made, address=HERE)
    assert caught.value.exit_code == 15 and "shutdown_command" in caught.value.hint
    assert lab.do(shut_down_vm, plan, vm=made, address=HERE).evidence == "off: VMware Tools were asked to shut down"
    assert lab.seen(made).power == "off"
