"""An appliance's OVA: whole in each of its places or in none, checked, told of, and in a content library."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from steps.clients.vsphere import leases
from steps.domain.errors import Conflict, HerasphereError, Refused, TimedOut, Unavailable
from steps.domain.image.plan import AppliancePlan
from steps.domain.ova.verify import verify
from steps.domain.wait import wait_until
from steps.export import export_ova, publish, write_manifest
from tests.lab.vcenter.fixture import why_not
from tests.steps.images.lab import OVA, Lab
from tests.unit.clients.redfish.peers import FakeClock
from tests.unit.domain.appliances import GRAIN, MIB, pattern, qemu_raw

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


def exported(lab: Lab, plan: AppliancePlan, vm: str) -> Any:
    return lab.do(export_ova, plan, vm=vm)


def failure(lab: Lab, plan: AppliancePlan, vm: str, out: Path) -> HerasphereError:
    """Why nothing was exported; what was there before is there, its lease has ended, and the next try does it."""
    out.mkdir(exist_ok=True)
    (out / "box.ova").write_bytes(b"the one before")
    with pytest.raises(HerasphereError) as caught:
        exported(lab, plan, vm)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"box.ova": b"the one before"}
    assert lab.leases() == []
    assert caught.value.where and caught.value.hint
    return caught.value


def test_an_ova_has_the_disk_the_product_and_the_licence(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, tmp_path: Path
) -> None:
    made = exported(lab, plan, vm)
    assert [path.name for path in out.iterdir()] == ["box.ova"]
    file = out / "box.ova"
    assert file.stat().st_size == made.size_bytes and lab.leases() == []
    with file.open("rb") as content:
        assert verify(content).faults == []
    with tarfile.open(file) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
        texts = {name: each.read() for name, each in members.items() if each}
    descriptor = texts["box.ovf"].decode()
    assert qemu_raw(tmp_path, texts["box-disk1.vmdk"]) == pattern(2 * MIB)
    for said in ("You &lt;agree&gt;.", "Somebody", 'ovf:key="ip"', 'ovf:key="secret"', "of the lab"):
        assert said in descriptor


def test_an_export_is_written_again_and_only_whole_over_the_one_before(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path
) -> None:
    exported(lab, plan, vm)
    first, before = (out / "box.ova").stat(), lab.changes()
    exported(lab, plan, vm)
    second = (out / "box.ova").stat()
    assert (second.st_size, [path.name for path in out.iterdir()]) == (first.st_size, ["box.ova"])
    assert second.st_ino != first.st_ino  # another file has taken its name
    assert lab.changes() == before


def test_a_download_that_is_cut(lab: Lab, plan: AppliancePlan, vm: str, out: Path) -> None:
    lab.vc.fault(f"drop-nfc@{GRAIN * 3}")
    error = failure(lab, plan, vm, out)
    assert isinstance(error, Unavailable) and error.exit_code == 75 and "the stream was cut" in error.what
    assert f"the export of VM {vm}" in error.where
    assert exported(lab, plan, vm).size_bytes > len(b"the one before")


def test_a_lease_that_times_out(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vCenter ends the lease after some bytes: here its disk waits for that."""
    real = leases.Lease._chunks

    def slow(self: leases.Lease, answer: Any, chunk_bytes: int, where: str) -> Iterator[bytes]:
        yield from real(self, answer, GRAIN, where)
        wait_until(lambda: self.heart.lost, what="-", where="-", hint="-", timeout_s=30, every_s=0.05)
        raise self._cut("-", where)

    monkeypatch.setattr(leases.Lease, "_chunks", slow)
    monkeypatch.setattr("steps.clients.vsphere.heartbeat.MOST_EVERY_S", 0.1)
    monkeypatch.setattr("steps.clients.vsphere.heartbeat.LEAST_EVERY_S", 0.1)
    lab.vc.fault("lease-timeout")
    error = failure(lab, plan, vm, out)
    assert isinstance(error, TimedOut) and error.exit_code == 13
    assert "vCenter has ended the lease" in error.what and vm in error.where


def test_another_export_is_waited_for(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(export_ova, "wait_until", partial(wait_until, clock=clock))
    lab.vc.fault("ExportVm=TaskInProgress@0x3")
    exported(lab, plan, vm)
    assert clock.now() > 0 and (out / "box.ova").exists()


def test_an_export_of_somebody_that_never_ends(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_ova, "wait_until", partial(wait_until, clock=FakeClock()))
    lab.vc.fault(f"ExportVm:{lab.name}=TaskInProgress@0x1000")
    error = failure(lab, plan, vm, out)
    assert isinstance(error, TimedOut) and "the end of another export" in error.what


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for little."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid():
        pytest.skip("a file system of its own size is mounted by root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_without_room(lab: Lab, plan: AppliancePlan, vm: str, small: Path) -> None:
    error = failure(lab, lab.appliance(f"{OVA}output_dir: {small}\n"), vm, small)
    assert isinstance(error, Conflict) and error.exit_code == 11
    assert (error.what, error.where) == ("there is no room", str(small))
    assert "output_dir" in error.hint


def test_a_folder_that_cannot_be_written(lab: Lab, plan: AppliancePlan, vm: str, out: Path) -> None:
    out.write_text("a file, no folder")
    with pytest.raises(Conflict, match="a file in the place of the folder") as caught:
        exported(lab, plan, vm)
    assert caught.value.where == str(out) and lab.leases() == []
    proc = lab.appliance(f"{OVA}output_dir: /proc/self\n")  # where nobody makes a file
    with pytest.raises(HerasphereError, match="cannot be written") as nowhere:
        exported(lab, proc, vm)
    assert nowhere.value.where == "/proc/self" and lab.leases() == []


def test_a_vm_that_is_on_is_not_exported(lab: Lab, plan: AppliancePlan, vm: str, out: Path) -> None:
    with lab.vm(vm) as seen:
        seen.power_on()
    error = failure(lab, plan, vm, out)
    assert isinstance(error, Conflict) and "InvalidPowerState, it is poweredOn" in error.what


def test_a_vm_that_another_run_has_made_is_not_exported(lab: Lab, plan: AppliancePlan, out: Path) -> None:
    with pytest.raises(Refused, match="somebody-else"):
        exported(lab, plan, lab.stranger(f"{lab.name}-theirs"))
    assert not out.exists()


def test_no_ova_where_none_is_wanted(lab: Lab, plan: AppliancePlan, vm: str, out: Path) -> None:
    none = lab.appliance("base_ova: base.ova\nexport: false\n")
    assert exported(lab, none, vm).size_bytes == 0
    assert lab.do(write_manifest, none, vm=vm).manifest == ""
    assert lab.do(publish, none, sha256="", size_bytes=0).places == []
    assert not out.exists()
