"""An appliance's VM, made once of a base image, of an OVA, or of a library's item."""

import hashlib
from pathlib import Path

import pytest

from steps.build import create_vm, put_in_place, take_snapshot
from steps.clients.vsphere import library
from steps.domain.errors import Conflict, NotFound, Unavailable, Unsupported, VerifyFailed
from steps.domain.image.plan import AppliancePlan
from steps.export import clone_vm
from tests.lab.vcenter.fixture import why_not
from tests.lab.vcenter.vcenter import NETWORK
from tests.steps.images.lab import Lab
from tests.steps.images.mirror import mirror
from tests.unit.domain.appliances import MIB, appliance, ova, pattern, qemu_vmdk

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture
def base(lab: Lab) -> str:
    """The name of a base image with a snapshot, which another run has built."""
    other = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    plan = other.plan("os_display_name: Lab Linux 1\niso_checksum: " + "c" * 64)
    made = other.made(plan)
    with lab.vm(made) as vm:
        vm.note({"typed": other.run, "provisioned": "7"})
    other.do(take_snapshot, plan, vm=made)
    return other.name


@pytest.fixture
def box(tmp_path: Path) -> bytes:
    """An OVA."""
    return ova(appliance(2 * MIB), {"d0": qemu_vmdk(tmp_path, pattern(2 * MIB))})[0]


def cloned(lab: Lab, plan: AppliancePlan) -> str:
    """The id of the clone: a second one is not made."""
    first = lab.do(clone_vm, plan)
    seen, before = lab.seen(first.vm), lab.changes()
    again = lab.do(clone_vm, plan)
    assert (first.action, again.action, again.vm) == ("create", "take up", first.vm)
    assert lab.changes() == before and lab.seen(first.vm) == seen
    assert (seen.name, seen.power) == (lab.name, "off")
    assert seen.mark and (seen.mark.run, seen.mark.name) == (lab.run, lab.name)
    return str(first.vm)


@pytest.mark.parametrize("linked", [True, False])
def test_a_clone_is_made_once_with_its_base_s_origin_and_its_own_resources(lab: Lab, base: str, linked: bool) -> None:
    more = f"base: {base}\nexport: false\nlinked_clone: {linked}\ncpu: 2\nmemory: 1024\n"
    made = cloned(lab, lab.appliance(more + ("" if linked else "disk_size: 300\n")))
    seen = lab.seen(made)
    assert (seen.origin.os_name, seen.origin.iso_checksum) == ("Lab Linux 1", "sha256:" + "c" * 64)
    assert (seen.notes, seen.is_finished) == ({}, False)
    with lab.vm(made) as vm:
        hardware = vm.hardware()
    assert (hardware.cpus, hardware.memory_mib) == (2, 1024)
    assert [disk.capacity_bytes for disk in hardware.disks] == [(100 if linked else 300) * MIB]


def test_a_name_that_is_taken_needs_force_and_is_free_in_the_end(lab: Lab, base: str) -> None:
    theirs = lab.stranger(lab.name)
    before = lab.changes()
    with pytest.raises(Conflict, match="already"):
        lab.do(clone_vm, lab.appliance(f"base: {base}\nexport: false\n"))
    assert lab.changes() == before
    plan = lab.appliance(f"base: {base}\nexport: false\n", force=True)
    made = lab.do(clone_vm, plan).vm
    assert (lab.seen(made).name, lab.seen(theirs).name) == (f"{lab.name}-{lab.run}", lab.name)
    lab.do(put_in_place, plan, vm=made)
    assert lab.seen(made).name == lab.name
    with pytest.raises(NotFound):
        lab.seen(theirs)


def test_a_base_or_a_snapshot_that_is_gone_since_the_plan(lab: Lab, base: str) -> None:
    with pytest.raises(NotFound, match="there is no VM 'nowhere'"):
        lab.do(clone_vm, lab.appliance("base: nowhere\nexport: false\n"))
    with pytest.raises(NotFound, match="no snapshot 'gone'") as caught:
        lab.do(clone_vm, lab.appliance(f"base: {base}\nbase_snapshot: gone\nexport: false\n"))
    assert caught.value.hint == "it has: herasphere"
    other = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    other.do(create_vm, other.plan(), iso="")
    with pytest.raises(NotFound, match="no snapshot to link to") as bare:
        lab.do(clone_vm, lab.appliance(f"base: {other.name}\nexport: false\n"))
    assert "linked_clone: false" in bare.value.hint
    assert lab.named(lab.name) is None


def test_a_clone_that_fails_says_why_and_is_made_by_the_next_try(lab: Lab, base: str) -> None:
    plan = lab.appliance(f"base: {base}\nexport: false\n")
    lab.vc.fault("CloneVM_Task=task:SystemError")
    with pytest.raises(Unavailable, match="A general system error") as caught:
        lab.do(clone_vm, plan)
    assert lab.name in caught.value.where and lab.named(lab.name) is None
    cloned(lab, plan)


def test_an_ova_by_url_or_by_file_becomes_a_vm_once(lab: Lab, box: bytes) -> None:
    with mirror() as web:
        web.content["box.ova"] = box
        made = cloned(lab, lab.appliance(f"base_ova: {web.url}/box.ova\nexport: false\n"))
        assert web.asked == ["box.ova"]
    with lab.vm(made) as vm:
        assert [disk.capacity_bytes for disk in vm.hardware().disks] == [100 * MIB]  # as the settings say
        assert [nic.network for nic in vm.hardware().nics] == [NETWORK]
    (lab.folder / "box.ova").write_bytes(box)
    other = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    cloned(other, other.appliance("base_ova: box.ova\nexport: false\n"))


def test_what_is_left_of_an_import_that_was_cut_is_never_taken_for_the_vm(lab: Lab, box: bytes) -> None:
    """The simulator removes nothing of an import that was aborted; a vCenter does so later."""
    file = lab.folder / "box.ova"
    file.write_bytes(box)
    plan = lab.appliance("base_ova: box.ova\nexport: false\n")
    file.write_bytes(box[: len(box) // 2])
    with pytest.raises(VerifyFailed):
        lab.do(clone_vm, plan)
    half = lab.named(lab.name)
    assert half and half.notes == {"importing": "yes"}
    file.write_bytes(box)
    assert cloned(lab, plan) != half.moid
    with pytest.raises(NotFound):
        lab.seen(half.moid)


def test_what_is_no_ova_or_gone_leaves_no_vm(lab: Lab) -> None:
    file = lab.folder / "box.ova"
    file.write_bytes(b"text" * 1000)
    plan = lab.appliance("base_ova: box.ova\nexport: false\n")
    with pytest.raises((Unsupported, VerifyFailed)):
        lab.do(clone_vm, plan)
    file.unlink()
    with pytest.raises(NotFound, match="No such file"):
        lab.do(clone_vm, plan)
    assert lab.named(lab.name) is None


def test_an_item_of_a_library_becomes_a_vm_once(lab: Lab, shelf: str, box: bytes) -> None:
    with lab.site() as site:
        library.put_ova(site.vsphere, shelf, "box", [box], len(box), hashlib.sha256(box).hexdigest())
    made = cloned(lab, lab.appliance(f"base_library_item: {shelf}/box\nexport: false\n"))
    with lab.vm(made) as vm:
        assert [disk.capacity_bytes for disk in vm.hardware().disks] == [100 * MIB]  # as the settings say
    other = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    with pytest.raises(NotFound, match="no item 'other'"):
        other.do(clone_vm, other.appliance(f"base_library_item: {shelf}/other\nexport: false\n"))
