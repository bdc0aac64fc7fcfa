"""The VM of a build: made once, under a name that is free, and in the place of another only once it stands."""

from types import ModuleType

import pytest

from steps.build import (
    attach_kickstart,
    convert_to_template,
    create_vm,
    detach_media,
    provision_guest,
    put_in_place,
    shrink_disk,
    shut_down_vm,
    take_snapshot,
    type_boot_command,
    wait_for_guest,
)
from steps.clients.vsphere import tags
from steps.clients.vsphere.properties import read
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Refused, Unavailable, Unsupported
from tests.lab.vcenter.fixture import why_not
from tests.lab.vcenter.vcenter import DATASTORE
from tests.steps.images.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


def test_a_vm_is_made_once(lab: Lab) -> None:
    plan = lab.plan("iso_checksum: " + 64 * "a")
    first = lab.do(create_vm, plan, iso=f"[{DATASTORE}] lab.iso")
    seen, before = lab.seen(first.vm), lab.changes()
    assert (first.action, seen.name, seen.power) == ("create", lab.name, "off")
    assert seen.origin.iso_checksum == plan.iso.sum != ""
    assert seen.mark and (seen.mark.run, seen.mark.name) == (lab.run, lab.name)
    again = lab.do(create_vm, plan, iso=f"[{DATASTORE}] lab.iso")
    assert (again.action, again.vm) == ("take up", first.vm)
    assert lab.changes() == before


def test_a_vm_is_known_by_its_mark_whatever_it_is_called(lab: Lab) -> None:
    plan = lab.plan()
    made = lab.made(plan)
    with lab.vm(made) as vm:
        vm.rename(f"{lab.name}-renamed")
    assert lab.made(plan) == made
    assert lab.named(lab.name) is None


def test_a_name_that_is_taken_is_left_alone(lab: Lab) -> None:
    theirs = lab.stranger(lab.name)
    before = lab.changes()
    with pytest.raises(Conflict, match=f"there is a VM {lab.name} already") as caught:
        lab.made(lab.plan())
    assert (caught.value.exit_code, caught.value.where) == (11, lab.seen(theirs).path)
    assert "--force" in caught.value.hint
    assert lab.changes() == before


def test_by_force_the_old_one_stands_until_the_new_one_does(lab: Lab) -> None:
    theirs = lab.stranger(lab.name)
    plan = lab.plan(force=True)
    made = lab.made(plan)
    assert lab.made(plan) == made
    with lab.vm(theirs) as vm:
        vm.power_on()  # somebody uses it
    assert lab.seen(made).name == f"{lab.name}-{lab.run}"
    lab.do(take_snapshot, plan, vm=made)
    lab.do(convert_to_template, plan, vm=made)
    assert (lab.seen(theirs).name, lab.seen(theirs).power) == (lab.name, "on")
    assert "the one before it is gone" in lab.do(put_in_place, plan, vm=made).evidence
    assert lab.seen(made).name == lab.name
    with pytest.raises(NotFound):
        lab.seen(theirs)
    before = lab.changes()
    assert lab.do(put_in_place, plan, vm=made).evidence == f"{lab.name} stands"
    assert lab.changes() == before


def test_a_vm_that_somebody_makes_meanwhile_is_not_replaced_unasked(lab: Lab) -> None:
    plan = lab.plan()
    made = lab.made(plan)
    with lab.vm(made) as vm:
        vm.rename(f"{lab.name}-moved")
    theirs = lab.stranger(lab.name)
    before = lab.changes()
    with pytest.raises(Conflict, match="somebody has made another"):
        lab.do(put_in_place, plan, vm=made)
    assert lab.changes() == before and lab.seen(theirs).name == lab.name


KICKSTART = "floppy_files: [ks.cfg]\nprovision: [{inline: 'true'}]\nboot_command: x\n"


@pytest.mark.parametrize(
    "step",
    [
        attach_kickstart, type_boot_command, wait_for_guest, provision_guest, shrink_disk, shut_down_vm, detach_media,
        take_snapshot, convert_to_template, put_in_place,
    ],
    ids=lambda step: str(step.__name__).rpartition(".")[2],
)  # fmt: skip
@pytest.mark.parametrize("marked", ["somebody-else", ""])
def test_what_this_run_has_not_made_is_never_touched(lab: Lab, step: ModuleType, marked: str) -> None:
    (lab.folder / "ks.cfg").write_text("text")
    theirs = lab.stranger(f"theirs-of-{lab.name}", run=marked)
    plan, before = lab.plan(KICKSTART, force=True), lab.changes()
    given = {"address": "127.0.0.1"} if "address" in step.Input.model_fields else {}
    with pytest.raises(Refused, match="was made by " + (f"run {marked}" if marked else "nobody")) as caught:
        lab.do(step, plan, vm=theirs, **given)
    assert (caught.value.exit_code, caught.value.where) == (3, lab.seen(theirs).path)
    assert lab.changes() == before


def test_a_snapshot_is_taken_once(lab: Lab) -> None:
    plan = lab.plan("snapshot_name: first\n")
    made = lab.made(plan)
    first = lab.do(take_snapshot, plan, vm=made)
    before = lab.changes()
    assert lab.do(take_snapshot, plan, vm=made).snapshot == first.snapshot != ""
    assert lab.changes() == before
    with lab.vm(made) as vm:
        assert vm.snapshots() == {"first": first.snapshot}


def test_no_snapshot_is_taken_where_none_is_wanted(lab: Lab) -> None:
    plan = lab.plan("create_snapshot: false\n")
    made = lab.made(plan)
    assert lab.do(take_snapshot, plan, vm=made).snapshot == ""
    assert not lab.seen(made).has_snapshots


@pytest.mark.parametrize("template", [True, False])
def test_a_vm_is_finished_once_with_tags_and_attributes(lab: Lab, template: bool) -> None:
    plan = lab.plan(f"tags: ['os:linux', golden]\ncustom_attributes: {{owner: me}}\nconvert_to_template: {template}\n")
    made = lab.made(plan)
    with lab.vm(made) as vm:
        vm.note({"typed": lab.run, "provisioned": "3"})
    lab.do(convert_to_template, plan, vm=made)
    seen, before = lab.seen(made), lab.changes()
    assert (seen.is_template, seen.is_finished, seen.notes) == (template, True, {"finished": lab.run})
    lab.do(convert_to_template, plan, vm=made)
    assert lab.seen(made) == seen and lab.changes() == before
    with lab.vm(made) as vm:
        assert tags.attached(vm.vsphere, made) == ("herasphere:golden", "os:linux")
        assert [each.value for each in read(vm.vsphere, vm.object, "customValue")["customValue"]] == ["me"]


def test_a_session_that_has_ended_is_opened_again(lab: Lab) -> None:
    lab.vc.fault("CreateVM_Task=NotAuthenticated")
    assert lab.seen(lab.made(lab.plan())).name == lab.name


def test_a_session_that_ends_again_and_again_is_tried_later(lab: Lab) -> None:
    plan = lab.plan()
    lab.vc.fault("CreateVM_Task=NotAuthenticated@0x2")
    with pytest.raises(Unavailable, match="the session has ended") as caught:
        lab.made(plan)
    assert caught.value.exit_code == 75 and lab.vc.address in caught.value.where
    assert lab.named(lab.name) is None
    assert lab.seen(lab.made(plan)).name == lab.name


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("task:SystemError", Unavailable, r"vCenter failed \(A general system error occurred: Invalid fault\)"),
        ("task:NoDiskSpace", Conflict, "there is no room"),
        ("task:InvalidArgument", Unsupported, "vCenter refuses a value"),
        ("NoPermission", AccessDenied, "the user may not do that"),
        ("task:NotSupported", Unsupported, r"vCenter refuses \(NotSupported: NotSupported\)"),
    ],
)
def test_a_task_that_fails_says_why(lab: Lab, fault: str, kind: type[HerasphereError], said: str) -> None:
    plan = lab.plan()
    lab.vc.fault(f"CreateVM_Task={fault}")
    with pytest.raises(kind, match=said) as caught:
        lab.made(plan)
    assert lab.vc.address in caught.value.where and caught.value.hint
    assert lab.named(lab.name) is None


@pytest.mark.parametrize(
    ("call", "step", "done"),
    [
        ("CreateSnapshot_Task", take_snapshot, "CreateSnapshotEx"),
        ("ReconfigVM_Task", convert_to_template, "ReconfigVm"),
        ("ReconfigVM_Task", detach_media, "ReconfigVm"),
    ],
    ids=["snapshot", "template", "media"],
)
def test_a_step_that_failed_does_it_when_it_is_run_again(lab: Lab, call: str, step: ModuleType, done: str) -> None:
    plan = lab.plan()
    made = lab.made(plan)
    before = lab.changes()
    lab.vc.fault(f"{call}=task:SystemError")
    with pytest.raises(Unavailable) as caught:
        lab.do(step, plan, vm=made)
    assert made in caught.value.where and lab.changes() == before
    lab.do(step, plan, vm=made)
    assert lab.changes() == [*before, done]
