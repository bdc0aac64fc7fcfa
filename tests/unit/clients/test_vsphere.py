"""The vSphere client against the simulated vCenter: every call of it at least once, and every fault as an error."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.clients.vsphere import VSphere, connect, drives, machines
from steps.clients.vsphere.inventory import Site, locate
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable, Unsupported
from steps.domain.image.plan import Machine, Place, Resources
from steps.domain.image.vm import Mark, Origin
from tests.lab.vcenter.fixture import logged_in, plan_in, why_not
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, VCenter, vcenter

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

MARK = Mark(run="run-1", name="base")


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    with vcenter(tmp_path_factory.mktemp("vcenter")) as made:
        yield made


@pytest.fixture
def vsphere(vc: VCenter) -> Iterator[VSphere]:
    with logged_in(vc) as made:
        yield made


@pytest.fixture
def machine(vc: VCenter, tmp_path: Path) -> Machine:
    return plan_in(tmp_path, vc, "disks: [{size: 100}, {size: 50}]\nusb: xhci\nvideo_ram: 16384").machine


@pytest.fixture
def site(vsphere: VSphere) -> Site:
    return locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE, folder="images/linux"))


@pytest.fixture
def vm(site: Site, machine: Machine, request: pytest.FixtureRequest) -> Iterator[Vm]:
    made = machines.create(site, request.node.name[:80], machine, MARK, Origin(), media=[""])
    yield made
    if made.look().power == "on":
        made.power_off()
    made.destroy()


def test_a_vm_is_made_as_it_was_planned_and_found_by_its_mark(site: Site, vm: Vm, machine: Machine) -> None:
    seen = vm.look()
    assert (seen.power, seen.mark, seen.is_template, seen.has_snapshots) == ("off", MARK, False, False)
    assert machines.marked(site, MARK.run) == [seen]
    named = machines.named(site, seen.name)
    assert named is not None and named.moid == vm.moid
    built, planned = vm.hardware(), machine.hardware
    assert [disk.capacity_bytes for disk in built.ordered_disks] == [disk.capacity_bytes for disk in planned.disks]
    assert [(d.controller, d.unit) for d in built.disks] == [(d.controller, d.unit) for d in planned.disks]
    same = ("version", "cpus", "cores_per_socket", "memory_mib", "firmware", "nics", "cds", "usb", "video_kib")
    assert built.model_dump(include=set(same)) == planned.model_dump(include=set(same))


def test_a_name_that_is_taken_is_told(site: Site, vm: Vm, machine: Machine) -> None:
    with pytest.raises(Conflict, match=r"already"):
        machines.create(site, vm.look().name, machine, MARK, Origin(), media=[""])


def test_power_snapshot_clone_and_template(site: Site, vm: Vm) -> None:
    vm.power_on()
    assert vm.look().power == "on"
    vm.reset()
    vm.power_off()
    assert vm.look().power == "off"
    first = vm.snapshot("first", "-")
    assert vm.snapshots() == {"first": first} and vm.current_snapshot() == first
    mark = Mark(run="run-2", name="clone")
    linked = machines.clone(site, vm, "linked", mark, snapshot=first, linked=True, properties={})
    assert linked.look().mark == mark
    linked.destroy()
    clone = machines.clone(site, vm, "a-clone", mark, snapshot="", linked=False, properties={})
    clone.rename("renamed")
    clone.resize(Resources(cpus=2, memory_mib=1024, first_disk_mib=200))
    hardware = clone.hardware()
    assert (hardware.cpus, hardware.memory_mib, hardware.ordered_disks[0].capacity_bytes) == (2, 1024, 200 * 2**20)
    with pytest.raises(Conflict, match="only grows"):
        clone.resize(Resources(first_disk_mib=100))
    clone.make_template()
    assert machines.anywhere(site, "renamed").look().is_template
    clone.destroy()
    with pytest.raises(NotFound):
        clone.look()
    with pytest.raises(NotFound, match="build the base image"):
        machines.anywhere(site, "renamed")


def test_media_are_taken_out(vm: Vm) -> None:
    assert drives.remove(vm) == 1
    assert drives.remove(vm) == 0
    assert vm.hardware().cds == ()


def test_an_ovf_property_that_is_not_there_is_named(site: Site, vm: Vm) -> None:
    with pytest.raises(NotFound, match="ip"):
        machines.clone(site, vm, "c", MARK, snapshot="", linked=False, properties={"ip": "10.0.0.9"})


def test_attributes_are_made_once(vm: Vm) -> None:
    vm.set_attribute("owner", "me")
    vm.set_attribute("owner", "you")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"cluster": "nowhere"}, "no cluster 'nowhere'"),
        ({"cluster": CLUSTER, "host": "nowhere"}, "no host 'nowhere'"),
        ({"cluster": CLUSTER, "resource_pool": "nowhere"}, "no resource_pool 'nowhere'"),
        ({"datacenter": "nowhere", "cluster": CLUSTER}, "no datacenter 'nowhere'"),
        ({"cluster": CLUSTER, "datastore": "nowhere"}, "no datastore 'nowhere'"),
    ],
)
def test_what_is_not_in_the_inventory_is_told_with_what_is(vsphere: VSphere, place: dict[str, str], said: str) -> None:
    with pytest.raises(NotFound, match=said) as caught:
        locate(vsphere, Place(**{"datastore": DATASTORE, **place}))
    assert "there is: " in caught.value.hint


def test_a_host_alone_is_a_place(vsphere: VSphere) -> None:
    site = locate(vsphere, Place(host="DC0_H0", datastore=DATASTORE))
    assert site.host is not None and site.path("a", "b") == f"[{DATASTORE}] a/b"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("TaskInProgress", Unavailable),
        ("NoDiskSpace", Conflict),
        ("NoPermission", AccessDenied),
        ("SystemError", Unavailable),
        ("InvalidArgument", Unsupported),
        ("FileNotFound", NotFound),
        ("InvalidState", Conflict),
        ("NotSupported", Unsupported),
    ],
)
@pytest.mark.parametrize("of_task", [False, True])
def test_a_fault_is_an_error_of_its_kind(
    vc: VCenter, vm: Vm, fault: str, kind: type[HerasphereError], of_task: bool
) -> None:
    vc.fault(f"PowerOnVM_Task={'task:' if of_task else ''}{fault}")
    with pytest.raises(kind) as caught, logged_in(vc) as vsphere:
        Vm(vsphere, vm.moid).power_on()
    assert caught.value.where and caught.value.hint


def test_a_session_that_has_ended_is_opened_again(vc: VCenter, vm: Vm) -> None:
    vc.fault("PowerOnVM_Task=NotAuthenticated")
    vm.power_on()
    assert vm.look().power == "on"


def test_who_may_not_log_in_is_told_why(vc: VCenter) -> None:
    pem = vc.certificate.read_text()
    with (
        pytest.raises(AccessDenied, match="user name or password"),
        connect(vc.address, username="x", password="y", ca_pem=pem),
    ):
        pass
    with (
        pytest.raises(AccessDenied, match="certificate is not trusted"),
        connect(vc.address, username="x", password="y"),
    ):
        pass
    with pytest.raises(Unavailable, match="refused"), connect("127.0.0.2:9", username="x", password="y"):
        pass
    with (
        pytest.raises(AccessDenied, match="no certificates"),
        connect(vc.address, username="x", password="y", ca_pem="none"),
    ):
        pass
    with connect(vc.address, username=vc.username, password=vc.password, insecure=True) as vsphere:
        assert vsphere.url == f"https://{vc.address}" and vsphere.cookie
