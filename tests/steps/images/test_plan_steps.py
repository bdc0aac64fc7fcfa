"""What a vCenter lacks for a build is told before anything is made, all of it at once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim

from steps.build import create_vm, plan_build, take_snapshot
from steps.clients.vsphere.inventory import Site
from steps.clients.vsphere.properties import read_below
from steps.domain.errors import (
    AccessDenied,
    ConfigError,
    Conflict,
    HerasphereError,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
)
from steps.domain.image.plan import AppliancePlan, BuildPlan, digest_of
from steps.export import plan_appliance
from tests.lab.vcenter.fixture import why_not
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, NETWORK, vcenter
from tests.steps.images.lab import FOLDER, Lab

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

ISO = "iso_url: http://127.0.0.1:9/lab.iso\niso_checksum: none\n"


def planned(lab: Lab, more: str = "", **given: Any) -> Any:
    lab.plan(f"{ISO}{more}")
    return lab.do(plan_build, settings=lab.settings, **given)


def appliance_planned(lab: Lab, more: str, **given: Any) -> Any:
    lab.appliance(more)
    return lab.do(plan_appliance, settings=lab.settings, **given)


def failure(lab: Lab, more: str = "", **given: Any) -> HerasphereError:
    """Why nothing was planned; and nothing was made."""
    before = lab.changes()
    with pytest.raises(HerasphereError) as caught:
        planned(lab, more, **given)
    assert lab.changes() == before
    assert lab.vc.address in caught.value.where and caught.value.hint
    return caught.value


def test_a_plan_is_what_the_next_steps_are_given(lab: Lab) -> None:
    before = lab.changes()
    made = planned(lab)
    plan = BuildPlan.model_validate_json(made.plan)
    assert plan == lab.plan(ISO) and made.digest == digest_of(plan)
    assert planned(lab, approved=made.digest) == made
    assert lab.changes() == before


def test_another_plan_than_the_confirmed_one_is_refused(lab: Lab) -> None:
    with pytest.raises(Refused, match="not the one that was confirmed") as caught:
        planned(lab, approved="0" * 16)
    assert caught.value.exit_code == 3 and "hera plan" in caught.value.hint


def test_settings_with_faults_name_each_with_its_line(lab: Lab) -> None:
    lab.plan(ISO)
    settings = lab.settings.replace(f"cluster: {CLUSTER}", "cluster: [1]") + "\nno_such_key: 1\n"
    with pytest.raises(ConfigError) as caught:
        lab.do(plan_build, settings=settings)
    assert caught.value.exit_code == 2
    assert "settings:1:" in str(caught.value) and "no_such_key" in str(caught.value)


def test_a_password_in_a_parameter_is_a_fault(lab: Lab) -> None:
    lab.plan(ISO)
    with pytest.raises(ConfigError, match="which everybody may read") as caught:
        lab.do(plan_build, settings=lab.settings.split("ssh_password:")[0] + "ssh_password: seen-by-all\n")
    assert "seen-by-all" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "kind", "said", "there"),
    [
        ("network: nowhere\n", NotFound, "no network 'nowhere'", NETWORK),
        ("datastore: nowhere\n", NotFound, "no datastore 'nowhere'", DATASTORE),
        ("cluster: nowhere\n", NotFound, "no cluster 'nowhere'", CLUSTER),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    lab: Lab, more: str, kind: type[HerasphereError], said: str, there: str
) -> None:
    error = failure(lab, more)
    assert type(error) is kind and said in error.what and there in error.hint


@pytest.fixture
def knows_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a vCenter answers who is asked for a guest id that it does not know; pyvmomi cannot read the simulator's."""
    answer = SimpleNamespace(guestOSDescriptor=[SimpleNamespace(id="otherGuest64"), SimpleNamespace(id="otherGuest")])
    monkeypatch.setattr(vim.EnvironmentBrowser, "QueryConfigOptionEx", lambda browser, spec: answer)


def test_a_guest_that_the_hosts_do_not_know(lab: Lab, knows_guests: None) -> None:
    error = failure(lab, "guest_os_type: noSuchGuest\n")
    assert type(error) is Unsupported and "do not know noSuchGuest with vmx-14" in error.what
    assert "vmx_version" in error.hint and planned(lab).digest


def test_a_guest_that_only_the_making_of_the_vm_finds_unknown(lab: Lab) -> None:
    plan = BuildPlan.model_validate_json(planned(lab, "guest_os_type: noSuchGuest\n").plan)
    with pytest.raises(Unsupported, match=r"refuses a value \(configSpec\.guestId\)"):
        lab.do(create_vm, plan, iso="")


def test_an_iso_that_is_not_in_the_datastore(lab: Lab) -> None:
    lab.plan(f"iso_path: '[{DATASTORE}] none.iso'\n")
    with pytest.raises(NotFound, match=r"there is no \[LocalDS_0\] none\.iso") as caught:
        lab.do(plan_build, settings=lab.settings)
    assert "iso_url" in caught.value.hint


def test_a_folder_that_is_not_there_is_made_by_who_makes_the_vm(lab: Lab) -> None:
    lab.plan(f"{ISO}folder: {lab.name}/below\n")
    made = lab.do(plan_build, settings=lab.settings)
    with lab.site() as site:
        missing = [each for each in names_of_folders(site) if each == lab.name]
        lab.do(create_vm, BuildPlan.model_validate_json(made.plan), iso="")
        assert (missing, lab.name in names_of_folders(site)) == ([], True)


def names_of_folders(site: Site) -> list[str]:
    return [values["name"] for _, values in read_below(site.vsphere, vim.Folder, None, "name")]


def test_a_name_that_is_taken_unless_it_is_this_run_s_own_or_to_be_replaced(lab: Lab) -> None:
    lab.stranger(lab.name)
    lab.plan(ISO)
    with pytest.raises(Conflict, match="already"):
        lab.do(plan_build, settings=lab.settings)
    assert BuildPlan.model_validate_json(planned(lab, force=True).plan).force
    own = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    own.made(own.plan(ISO))
    assert planned(own).digest


def test_thick_disks_without_room_are_told_before_anything_is_made(lab: Lab, tmp_path: Path) -> None:
    with vcenter(tmp_path / "small", capacity_bytes=50 << 20) as small:
        lab.vc = small
        error = failure(lab, "disk_thin_provisioned: false\n")
        assert type(error) is Conflict and error.exit_code == 11
        assert error.what == f"the disks take 100 MiB, {DATASTORE} has 50 free"
        assert planned(lab).digest  # a thin disk takes no room yet


def test_privileges_that_are_missing_are_told_all_at_once(lab: Lab, tmp_path: Path, knows_guests: None) -> None:
    lacks = ["Datastore.FileManagement", "VirtualMachine.Interact.PowerOn", "Network.Assign", "VApp.Export"]
    with vcenter(tmp_path / "strict", lacks=lacks) as strict:
        lab.vc = strict
        error = failure(lab, "guest_os_type: noSuchGuest\n")
        assert type(error) is Refused and error.exit_code == 3
        assert all(each in error.what for each in [*lacks, "noSuchGuest", DATASTORE, NETWORK])
        assert "VirtualMachine.Interact.PowerOff" not in error.what


def test_one_privilege_that_is_missing_is_access_denied(lab: Lab, tmp_path: Path) -> None:
    with vcenter(tmp_path / "strict", lacks=["Datastore.FileManagement"]) as strict:
        lab.vc = strict
        error = failure(lab)
    assert type(error) is AccessDenied and error.exit_code == 12
    assert f"lacks Datastore.FileManagement on the datastore {DATASTORE}" in error.what


def test_who_may_not_log_in(lab: Lab) -> None:
    lab.plan(ISO)
    for file in lab.secrets.rglob("*VCENTER_PASSWORD*"):
        file.write_text("another")
    with pytest.raises(AccessDenied, match="user name or password") as caught:
        lab.do(plan_build, settings=lab.settings)
    assert caught.value.exit_code == 12 and "another" not in str(caught.value)


def test_a_vcenter_that_fails_is_asked_again(lab: Lab) -> None:
    lab.plan(ISO)
    lab.vc.fault("HasPrivilegeOnEntities=SystemError")
    with pytest.raises(Unavailable, match="A general system error") as caught:
        lab.do(plan_build, settings=lab.settings)
    assert caught.value.exit_code == 75
    assert lab.do(plan_build, settings=lab.settings).digest


def test_a_base_that_is_not_there(lab: Lab) -> None:
    with pytest.raises(NotFound, match=f"there is no VM '{lab.name}-base'") as caught:
        appliance_planned(lab, f"base: {lab.name}-base\nexport: false\n")
    assert caught.value.exit_code == 10 and "build the base image first" in caught.value.hint


def test_a_linked_clone_needs_a_snapshot_of_its_base(lab: Lab) -> None:
    base = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    built = base.plan()
    made = base.made(built)
    with pytest.raises(NotFound, match="no snapshot to link to") as caught:
        appliance_planned(lab, f"base: {base.name}\nexport: false\n")
    assert "linked_clone: false" in caught.value.hint
    assert appliance_planned(lab, f"base: {base.name}\nexport: false\nlinked_clone: false\n").digest
    base.do(take_snapshot, built, vm=made)
    with pytest.raises(NotFound, match="no snapshot 'other'") as missing:
        appliance_planned(lab, f"base: {base.name}\nbase_snapshot: other\nexport: false\n")
    assert missing.value.hint == "it has: herasphere"
    done = appliance_planned(lab, f"base: {base.name}\nbase_snapshot: herasphere\nexport: false\n", version="v1")
    assert AppliancePlan.model_validate_json(done.plan).facts.version == "v1"
    assert FOLDER in done.plan


def test_a_base_s_item_and_the_ova_s_library_are_looked_for(lab: Lab, shelf: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has no item 'none'"):
        appliance_planned(lab, f"base_library_item: {shelf}/none\nexport: false\n")
    more = f"base_ova: base.ova\noutput_dir: {tmp_path}\n"
    (lab.folder / "base.ova").write_text("an OVA")
    with pytest.raises(NotFound, match="no content library 'nowhere'") as caught:
        appliance_planned(lab, f"{more}content_library: {{name: nowhere}}\n")
    assert shelf in caught.value.hint
    with pytest.raises(Refused, match=r"no content library 'a'.*no content library 'nowhere'"):
        appliance_planned(lab, f"base_library_item: a/b\noutput_dir: {tmp_path}\ncontent_library: {{name: nowhere}}\n")
    assert appliance_planned(lab, f"{more}content_library: {{name: {shelf}}}\n").digest
