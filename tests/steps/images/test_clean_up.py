"""What is left of a build, however it ended: nothing of its own that nobody wants, and all that others have made."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from steps.build import attach_kickstart, convert_to_template, destroy_vm, fetch_iso, take_snapshot
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import NotFound
from steps.domain.image.plan import BuildPlan
from steps.export import clone_vm
from tests.lab.vcenter.fixture import why_not
from tests.steps.images.lab import Lab
from tests.steps.images.mirror import mirror

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture
def plan(lab: Lab) -> Iterator[BuildPlan]:
    """One with pages, a floppy and an ISO that nobody can check."""
    (lab.folder / "http").mkdir()
    (lab.folder / "http" / "ks.cfg").write_text("of the pages")
    with mirror() as web:
        web.content["lab.iso"] = bytes(1000)
        more = f"iso_url: {web.url}/lab.iso\niso_checksum: none\nhttp_directory: http\nfloppy_dirs: [http]\n"
        yield lab.plan(more)


@pytest.fixture
def begun(lab: Lab, plan: BuildPlan) -> str:
    """The id of the VM of a build that is under way: it is on."""
    made = lab.made(plan, iso=lab.do(fetch_iso, plan).iso)
    lab.do(attach_kickstart, plan, vm=made)
    with lab.vm(made) as vm:
        vm.power_on()
    return made


def cleaned(lab: Lab, status: str = "Failed", on_error: str = "cleanup") -> str:
    done = lab.do(destroy_vm, settings=lab.settings, kind="image", status=status, on_error=on_error)
    return str(done.action)


def is_there(lab: Lab, moid: str) -> bool:
    try:
        return bool(lab.seen(moid).name)
    except NotFound:
        return False


def own_files(lab: Lab) -> set[str]:
    """What this run has in the datastore."""
    return {path for path in lab.files() if lab.name in path or lab.run in path}


def test_of_a_build_that_failed_nothing_is_left(lab: Lab, plan: BuildPlan, begun: str) -> None:
    url = lab.do(attach_kickstart, plan, vm=begun).pages + "/ks.cfg"
    assert requests.get(url, timeout=10).status_code == 200 and len(lab.cached()) == 1
    assert cleaned(lab) == "destroyed"
    assert (is_there(lab, begun), own_files(lab)) == (False, set())
    assert requests.get(url, timeout=10).status_code == 404
    before = lab.changes()
    assert cleaned(lab) == "nothing" and lab.changes() == before


def test_what_lies_beside_the_vm_is_gone_before_it_is(lab: Lab, begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every vCenter removes a file that is not the VM's, and in a kickstart there are secrets."""
    destroy: Any = Vm.destroy
    seen: list[Any] = []

    def noted(vm: Vm) -> None:
        seen.append([path for path in own_files(lab) if "kickstart" in path])
        destroy(vm)

    assert [path for path in own_files(lab) if "kickstart" in path]
    monkeypatch.setattr(Vm, "destroy", noted)
    assert cleaned(lab) == "destroyed" and seen == [[]]


def test_an_iso_is_taken_away_after_the_vm_that_reads_it(lab: Lab, begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host locks what is in the drive of a VM that runs."""
    destroy: Any = Vm.destroy
    seen: list[Any] = []

    def noted(vm: Vm) -> None:
        seen.append(len(lab.cached()))
        destroy(vm)

    monkeypatch.setattr(Vm, "destroy", noted)
    assert cleaned(lab) == "destroyed" and seen == [1]
    assert lab.cached() == set()


def test_a_vm_is_kept_for_a_look_with_what_is_in_its_drives(lab: Lab, plan: BuildPlan, begun: str) -> None:
    url = lab.do(attach_kickstart, plan, vm=begun).pages + "/ks.cfg"
    before = own_files(lab)
    assert cleaned(lab, on_error="keep") == "kept"
    assert lab.seen(begun).power == "on" and own_files(lab) == before
    assert requests.get(url, timeout=10).status_code == 404
    assert cleaned(lab) == "destroyed" and own_files(lab) == set()


def test_after_a_build_that_went_well_its_vm_stands(lab: Lab, plan: BuildPlan, begun: str) -> None:
    assert cleaned(lab, "Succeeded") == "nothing"
    assert is_there(lab, begun)


@pytest.mark.parametrize("template", ["true", "false"])
def test_a_vm_that_is_finished_stands_whatever_failed_afterwards(lab: Lab, template: str) -> None:
    plan = lab.plan(f"convert_to_template: {template}\n")
    made = lab.made(plan)
    lab.do(convert_to_template, plan, vm=made)
    assert cleaned(lab) == "nothing" and is_there(lab, made)


def test_a_vm_that_is_finished_but_not_in_its_place_is_removed(lab: Lab) -> None:
    theirs = lab.stranger(lab.name)
    plan = lab.plan("convert_to_template: true\n", force=True)
    made = lab.made(plan)
    lab.do(convert_to_template, plan, vm=made)
    assert cleaned(lab) == "destroyed"
    assert (is_there(lab, made), is_there(lab, theirs)) == (False, True)


def test_what_others_have_made_stands(lab: Lab) -> None:
    lab.plan()
    theirs = [lab.stranger(lab.name), lab.stranger(f"{lab.name}-x", run="")]
    before = lab.changes()
    assert cleaned(lab) == "nothing" and lab.changes() == before
    assert all(is_there(lab, each) for each in theirs)


def test_where_a_folder_was_never_made_there_is_nothing_to_clean(lab: Lab) -> None:
    lab.plan(f"folder: {lab.name}\n")
    before = lab.changes()
    assert cleaned(lab) == "nothing" and lab.changes() == before


def test_settings_that_are_no_plan_have_made_nothing(lab: Lab) -> None:
    lab.plan()
    done = lab.do(destroy_vm, settings="nonsense: 1\n", kind="image", status="Failed")
    assert done.action == "nothing" and "nothing was made" in done.evidence


def test_an_iso_whose_checksum_is_known_stays_for_the_next_build(lab: Lab) -> None:
    folder = lab.vc.datastore_folder / "herasphere" / "iso" / ("sha256-" + "a" * 64)
    folder.mkdir(parents=True)
    (folder / "lab.iso").write_bytes(b"whole")
    plan = lab.plan(f"iso_url: http://127.0.0.1:9/lab.iso\niso_checksum: {'a' * 64}\n")
    lab.made(plan, iso=lab.do(fetch_iso, plan).iso)
    assert cleaned(lab) == "destroyed"
    assert (folder / "lab.iso").read_bytes() == b"whole"


def test_an_appliance_that_failed_goes_and_its_base_stands(lab: Lab) -> None:
    other = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    base = other.made(built := other.plan())
    other.do(take_snapshot, built, vm=base)
    clone = lab.do(clone_vm, lab.appliance(f"base: {other.name}\nexport: false\n")).vm
    done = lab.do(destroy_vm, settings=lab.settings, kind="appliance", status="Error")
    assert (done.action, done.evidence) == ("destroyed", f"{lab.name} destroyed")
    assert (is_there(lab, clone), is_there(lab, base)) == (False, True)
