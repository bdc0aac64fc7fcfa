"""Files, console and export leases of the vSphere client against the simulated vCenter."""

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.clients.vsphere import console, files, leases, machines
from steps.clients.vsphere.connection import VSphere
from steps.clients.vsphere.inventory import Site, locate
from steps.clients.vsphere.machines import Vm
from steps.domain.bootcommand import Pace, batches, parse
from steps.domain.errors import Conflict, NotFound, TimedOut, Unavailable
from steps.domain.image.plan import Place
from steps.domain.image.vm import Mark, Origin
from tests.lab.vcenter.fixture import logged_in, plan_in, why_not
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, VCenter, vcenter

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

MIB = 1 << 20


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    with vcenter(tmp_path_factory.mktemp("vcenter")) as made:
        yield made


@pytest.fixture
def vsphere(vc: VCenter) -> Iterator[VSphere]:
    with logged_in(vc) as made:
        yield made


@pytest.fixture
def site(vsphere: VSphere) -> Site:
    return locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE))


@pytest.fixture
def vm(vc: VCenter, site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Vm]:
    machine = plan_in(tmp_path, vc, "disks: [{size: 100}, {size: 50}]").machine
    made = machines.create(site, request.node.name[:80], machine, Mark(run="run-1", name="x"), Origin(), media=[""])
    yield made
    if made.look().power == "on":
        made.power_off()
    made.destroy()


def test_a_file_is_sent_found_fetched_moved_and_removed(site: Site) -> None:
    files.make_folder(site, "a folder/below")
    files.make_folder(site, "a folder/below")
    path = "a folder/below/ä b.iso"
    told: list[int] = []
    assert files.size_bytes(site, path) is None and files.size_bytes(site, "nowhere/x") is None
    files.send(site, path, iter([b"12", b"345"]), 5, told.append)
    assert files.size_bytes(site, path) == 5 and told == [2, 5]
    files.send(site, path, [b"123"], 3)
    files.move(site, path, "a folder/moved.iso")
    assert files.size_bytes(site, path) is None
    with files.fetched(site, "a folder/moved.iso") as pieces:
        assert b"".join(pieces) == b"123"
    for _ in range(2):
        files.remove(site, "a folder/moved.iso")
    with pytest.raises(NotFound, match="no such file"), files.fetched(site, "a folder/moved.iso"):
        pass
    with pytest.raises(NotFound, match="no such file or folder"):
        files.send(site, "nowhere/x", [b"1"], 1)


def test_only_this_place_s_datastore_is_looked_at(site: Site) -> None:
    assert files.file_of(site, f"[{DATASTORE}] a/b.iso") == "a/b.iso"
    with pytest.raises(NotFound, match="another datastore"):
        files.file_of(site, "[other] a/b.iso")


def test_a_datastore_without_room_is_told(tmp_path: Path) -> None:
    with vcenter(tmp_path, capacity_bytes=2 * MIB) as small, logged_in(small) as vsphere:
        site = locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE))
        assert files.free_bytes(site) == 2 * MIB
        with pytest.raises(Conflict, match="no room"):
            files.send(site, "large", (bytes(MIB) for _ in range(40)), 40 * MIB)


def test_a_session_that_ended_is_opened_again_before_a_transfer(tmp_path: Path) -> None:
    with vcenter(tmp_path, session_timeout_s=1) as short, logged_in(short) as vsphere:
        site = locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE))
        vsphere.content.sessionManager.Logout()
        files.send(site, "x", [b"1"], 1)
        assert files.size_bytes(site, "x") == 1


def test_keys_arrive_with_their_modifiers(vc: VCenter, vm: Vm) -> None:
    vm.power_on()
    for batch in batches(parse(["Ab<leftCtrlOn>x<leftCtrlOff><rightAltOn><f2><rightAltOff><enter>"]), Pace()):
        console.press(vm, batch)
    assert vc.keys(vm.look().name) == ["shift+a", "b", "ctrl+x", "alt_r+f2", "ret"]


def test_a_picture_of_the_screen_leaves_nothing_behind(vc: VCenter, site: Site, vm: Vm) -> None:
    vm.power_on()
    before = set(vc.datastore_folder.rglob("*"))
    assert console.picture(site, vm).startswith(b"\x89PNG")
    assert set(vc.datastore_folder.rglob("*")) == before


def disks_of(vm: Vm) -> dict[str, bytes]:
    with leases.exporting(vm, vm.hardware()) as lease:
        made = {}
        for disk in lease.disks:
            with lease.stream(disk) as chunks:
                made[disk] = b"".join(chunks)
    return made


def test_an_export_gives_each_disk_under_its_id(vc: VCenter, vm: Vm, tmp_path: Path) -> None:
    made = disks_of(vm)
    hardware = vm.hardware()
    assert list(made) == [disk.id for disk in hardware.ordered_disks]
    for disk in hardware.ordered_disks:
        (tmp_path / "disk.vmdk").write_bytes(made[disk.id])
        told = subprocess.check_output(["qemu-img", "info", "--output=json", str(tmp_path / "disk.vmdk")], text=True)
        assert f'"virtual-size": {disk.capacity_bytes}' in told
    again = disks_of(vm)
    assert {key: hashlib.sha256(data).digest() for key, data in again.items()}.keys() == made.keys()


def test_a_stream_that_is_cut_is_not_whole(vc: VCenter, vm: Vm) -> None:
    vc.fault("drop-nfc@100")
    with pytest.raises(Unavailable, match="cut"):
        disks_of(vm)
    disks_of(vm)


def test_a_lease_that_ends_while_it_is_used(vc: VCenter, vm: Vm) -> None:
    vc.fault("lease-timeout")
    with pytest.raises(TimedOut, match="ended the lease"), leases.exporting(vm, vm.hardware()) as lease:
        with lease.stream(lease.disks[0]) as chunks:
            for _ in chunks:
                pass
        while True:
            lease.heart.check()


def test_a_lease_is_kept_as_long_as_it_is_used(tmp_path: Path) -> None:
    with vcenter(tmp_path, lease_timeout_s=1) as impatient, logged_in(impatient) as vsphere:
        site = locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE))
        machine = plan_in(tmp_path, impatient).machine
        vm = machines.create(site, "vm", machine, Mark(run="run-1", name="x"), Origin(), media=[""])
        with leases.exporting(vm, vm.hardware()) as lease:
            time.sleep(2)
            with lease.stream(lease.disks[0]) as chunks:
                assert sum(map(len, chunks))


@pytest.mark.parametrize("fault", ["TaskInProgress", "InvalidState"])
def test_an_export_that_is_under_way_is_waited_for(vc: VCenter, vm: Vm, fault: str) -> None:
    vc.fault(f"ExportVm={fault}")
    with pytest.raises(Unavailable, match="under way"):
        disks_of(vm)
