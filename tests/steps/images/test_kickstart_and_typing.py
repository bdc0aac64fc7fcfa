"""What reaches an installer: its kickstart where the boot command looks, and every key in its order."""

import posixpath
from pathlib import Path

import pytest
import requests

from steps.build import attach_kickstart, detach_media, type_boot_command
from steps.clients.vsphere import console
from steps.domain.bootcommand import Pace, batches, parse
from steps.domain.errors import NotFound, Unavailable, Unsupported
from steps.domain.image.plan import BuildPlan
from tests.lab.vcenter.fixture import why_not
from tests.steps.images.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

MEDIA = """
floppy_files: [ks.cfg]
cd_files: [user-data]
http_directory: http
boot_wait: 0s
boot_command: "Ab {{ .HTTPIP }}:{{ .HTTPPort }}/ks.cfg.j2<leftCtrlOn>x<leftCtrlOff><enter>"
boot_keygroup_interval: 1ms
"""
TYPING = 'boot_wait: 0s\nboot_command: ["Ab", "<wait1ms><f2>c<enter>"]\nboot_keygroup_interval: 1ms\n'
DRIVES = ("VirtualCdrom", "VirtualFloppy")
TYPED = ["shift+a", "b", "f2", "c", "ret"]


@pytest.fixture
def plan(lab: Lab) -> BuildPlan:
    """One whose kickstart comes in every way."""
    (lab.folder / "ks.cfg").write_text("of the floppy")
    (lab.folder / "user-data").write_text("of the CD")
    (lab.folder / "http").mkdir()
    (lab.folder / "http" / "ks.cfg.j2").write_text("name {{ name }} user {{ ssh_username }} {{ ssh_password_hash }}")
    return lab.plan(MEDIA)


def backings(lab: Lab, made: str) -> list[str]:
    """The files in the VM's drives."""
    with lab.vm(made) as vm:
        found = [getattr(each.backing, "fileName", "") for each in vm.devices() if type(each).__name__.endswith(DRIVES)]
    return sorted(posixpath.basename(each.partition("] ")[2]) for each in found if each)


def images(lab: Lab) -> dict[str, bytes]:
    """What lies beside the VM and is for its drives."""
    folder = lab.vc.datastore_folder / lab.name
    return {path.name: path.read_bytes() for path in folder.glob("kickstart.*")}


def test_a_kickstart_is_attached_once_and_taken_out_once(lab: Lab, plan: BuildPlan) -> None:
    made = lab.made(plan, iso="[LocalDS_0] lab.iso")
    first = lab.do(attach_kickstart, plan, vm=made)
    before, lie = lab.changes(), images(lab)
    assert b"of the floppy" in lie["kickstart.flp"] and b"of the CD" in lie["kickstart.iso"]
    assert backings(lab, made) == ["kickstart.flp", "kickstart.iso", "lab.iso"]
    page = requests.get(f"{first.pages}/ks.cfg", timeout=10).text
    assert page.startswith(f"name {lab.name} user root $6$")
    again = lab.do(attach_kickstart, plan, vm=made)
    assert (again.pages, images(lab), lab.changes()) == (first.pages, lie, before)
    assert requests.get(f"{first.pages}/ks.cfg", timeout=10).text == page
    lab.do(detach_media, plan, vm=made)
    assert (images(lab), backings(lab, made)) == ({}, [])
    assert requests.get(f"{first.pages}/ks.cfg", timeout=10).status_code == 404
    before = lab.changes()
    assert "before" in lab.do(detach_media, plan, vm=made).evidence
    assert lab.changes() == before


def test_no_kickstart_is_none(lab: Lab) -> None:
    plan = lab.plan()
    assert lab.do(attach_kickstart, plan, vm=lab.made(plan)).pages == ""
    assert images(lab) == {}


def test_a_drive_that_somebody_took_out_is_told(lab: Lab, plan: BuildPlan) -> None:
    made = lab.made(plan)
    lab.do(detach_media, plan, vm=made)
    with pytest.raises(NotFound, match="it has no floppy drive") as caught:
        lab.do(attach_kickstart, plan, vm=made)
    assert made in caught.value.where


def test_files_that_the_media_service_has_no_more(lab: Lab, plan: BuildPlan) -> None:
    made = lab.made(plan)
    lost = plan.model_copy(update={"kickstart": plan.kickstart.model_copy(update={"bundle": "0" * 64})})
    with pytest.raises(NotFound, match="000000000000"):
        lab.do(attach_kickstart, lost, vm=made)
    assert images(lab) == {}


def test_keys_arrive_in_their_order_with_the_pages_in_them(lab: Lab, plan: BuildPlan) -> None:
    made = lab.made(plan)
    pages = "http://10.0.0.7:8080/abc"
    lab.do(type_boot_command, plan, vm=made, pages=pages)
    keys = {" ": "spc", ".": "dot", ":": "shift+semicolon", "/": "slash"}
    text = " 10.0.0.7:8080/abc/ks.cfg.j2"
    assert lab.vc.keys(lab.name) == ["shift+a", "b", *[keys.get(each, each) for each in text], "ctrl+x", "ret"]


def test_a_boot_command_is_typed_once(lab: Lab) -> None:
    plan = lab.plan(TYPING)
    made = lab.made(plan)
    assert lab.do(type_boot_command, plan, vm=made).action == "typed"
    assert lab.vc.keys(lab.name) == TYPED and lab.seen(made).notes == {"typed": lab.run}
    before = lab.changes()
    assert lab.do(type_boot_command, plan, vm=made).action == "was typed already"
    assert lab.vc.keys(lab.name) == TYPED and lab.changes() == before


def test_what_a_dead_pod_began_to_type_is_typed_from_the_start_of_the_machine(lab: Lab) -> None:
    plan = lab.plan(TYPING)
    made = lab.made(plan)
    with lab.vm(made) as vm:
        vm.power_on()
        console.press(vm, batches(parse(["A"]), Pace())[0])
    assert lab.vc.keys(lab.name) == ["shift+a"]
    before = lab.changes()
    lab.do(type_boot_command, plan, vm=made)
    assert lab.vc.keys(lab.name) == TYPED
    assert lab.changes()[len(before) :] == ["Reset", "ReconfigVm"]


def test_a_fault_in_the_middle_begins_again_from_the_start_of_the_machine(lab: Lab) -> None:
    plan = lab.plan(TYPING)
    made = lab.made(plan)
    lab.vc.fault("PutUsbScanCodes=SystemError@1")
    lab.do(type_boot_command, plan, vm=made)
    assert lab.vc.keys(lab.name) == TYPED
    assert lab.changes()[-3:] == ["PowerOn", "Reset", "ReconfigVm"]


def test_a_session_that_ends_while_typing_loses_no_key(lab: Lab) -> None:
    plan = lab.plan(TYPING)
    made = lab.made(plan)
    lab.vc.fault("PutUsbScanCodes=NotAuthenticated@1")
    lab.do(type_boot_command, plan, vm=made)
    assert lab.vc.keys(lab.name) == TYPED
    assert lab.changes()[-2:] == ["PowerOn", "ReconfigVm"]


def test_a_console_that_takes_no_keys_is_told_after_some_tries(lab: Lab) -> None:
    plan = lab.plan(TYPING)
    made = lab.made(plan)
    lab.vc.fault(f"PutUsbScanCodes=SystemError@0x{type_boot_command.TRIES}")
    with pytest.raises(Unavailable, match="vCenter failed") as caught:
        lab.do(type_boot_command, plan, vm=made)
    assert caught.value.exit_code == 75 and made in caught.value.where
    assert lab.seen(made).notes == {}
    lab.do(type_boot_command, plan, vm=made)
    assert lab.vc.keys(lab.name) == TYPED


def test_nothing_to_type_is_a_machine_that_is_on(lab: Lab) -> None:
    plan = lab.plan()
    made = lab.made(plan)
    evidence = lab.do(type_boot_command, plan, vm=made).evidence
    assert (lab.vc.keys(lab.name), lab.seen(made).power) == ([], "on")
    assert evidence == "powered on; nothing to type"


def test_a_step_that_fails_leaves_a_picture_of_the_screen(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("hera__outputs_directory", str(tmp_path))
    plan = lab.plan(TYPING)
    made = lab.made(plan)
    lab.vc.fault(f"PutUsbScanCodes=SystemError@0x{type_boot_command.TRIES}")
    with pytest.raises(Unavailable) as caught:
        lab.do(type_boot_command, plan, vm=made)
    assert "console.png shows its screen" in caught.value.hint
    assert (tmp_path / "artifacts" / "console.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in lab.files() if path.endswith(".png") and path.startswith(lab.name)]


@pytest.mark.parametrize("fault", ["CreateScreenshot_Task=NoPermission", "CreateScreenshot_Task=task:SystemError"])
def test_a_picture_that_cannot_be_had_does_not_hide_what_went_wrong(lab: Lab, fault: str) -> None:
    plan = lab.plan(TYPING)
    made = lab.made(plan)
    lab.vc.fault("PutUsbScanCodes=NotSupported")
    lab.vc.fault(fault)
    with pytest.raises(Unsupported, match=r"vCenter refuses \(NotSupported") as caught:
        lab.do(type_boot_command, plan, vm=made)
    assert "console.png" not in str(caught.value)
