"""Tags and content libraries against the simulated vCenter, and what refusals of its REST API mean."""

import hashlib
import io
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steps.clients.vsphere import VSphere, library, machines, rest, tags
from steps.clients.vsphere.inventory import Site, locate
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import (
    AccessDenied,
    Conflict,
    HerasphereError,
    NotFound,
    TimedOut,
    Unavailable,
    Unsupported,
    VerifyFailed,
)
from steps.domain.image.plan import Place
from steps.domain.image.vm import Mark, Origin
from tests.lab.vcenter.fixture import logged_in, plan_in, why_not
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, NETWORK, VCenter, vcenter
from tests.unit.clients.redfish.peers import FakeClock
from tests.unit.domain.appliances import MIB, appliance, ova, pattern, qemu_vmdk

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


MARK = Mark(run="run-1", name="t")


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
    return locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE, folder="images/linux"))


@pytest.fixture
def vm(site: Site, vc: VCenter, tmp_path: Path) -> Iterator[Vm]:
    made = machines.create(site, "tagged", plan_in(tmp_path, vc).machine, MARK, Origin(), media=[""])
    yield made
    made.destroy()


@pytest.fixture
def shelf(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a library that is empty."""
    name = f"library of {request.node.name}"[:70]
    backing = {"type": "DATASTORE", "datastore_id": site.datastore._GetMoId()}
    spec = {"name": name, "type": "LOCAL", "storage_backings": [backing]}
    with rest.session(site.vsphere) as api:
        made = api.call("POST", "content/local-library", {"create_spec": spec})
        yield name
        api.call("DELETE", f"content/local-library/id:{made}")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An OVA."""
    disk = qemu_vmdk(tmp_path_factory.mktemp("disk"), pattern(2 * MIB))
    return ova(appliance(2 * MIB), {"d0": disk})[0]


def put(vsphere: VSphere, shelf: str, data: bytes, name: str = "box", **words: Any) -> str:
    sum_of = hashlib.sha256(data).hexdigest()
    given: dict[str, Any] = {"content": io.BytesIO(data), "size_bytes": len(data), "sha256": sum_of} | words
    return library.put_ova(vsphere, shelf, name, **given)


def files(vsphere: VSphere, item: str) -> dict[str, int]:
    with rest.session(vsphere) as api:
        return {
            each["name"]: each["size"] for each in api.call("GET", "content/library/item/file", library_item_id=item)
        }


def updates(vsphere: VSphere) -> Any:
    with rest.session(vsphere) as api:
        return api.call("GET", library.UPDATE) or []


def test_tags_are_made_once_and_attached(vsphere: VSphere, vm: Vm) -> None:
    wanted = ["os:photon 5", "os:linux", "golden", "a:b:c"]
    tags.attach(vsphere, vm.moid, wanted)
    tags.attach(vsphere, vm.moid, [*wanted, "golden", "herasphere:golden"])
    assert tags.attached(vsphere, vm.moid) == ("a:b:c", "herasphere:golden", "os:linux", "os:photon 5")
    tags.attach(vsphere, vm.moid, [])
    with rest.session(vsphere) as api:
        assert len(api.call("GET", tags.CATEGORY)) == 3
        assert len(api.call("GET", tags.TAG)) == 4


def test_a_tag_that_another_build_makes_at_the_same_time(vsphere: VSphere) -> None:
    with rest.session(vsphere) as api:
        spec = {"name": "raced", "description": "", "cardinality": "MULTIPLE", "associable_types": []}
        made = api.call("POST", tags.CATEGORY, {"create_spec": spec})
        seen = iter([[], [made]])
        assert tags._found_or_made(api, tags.CATEGORY, "raced", lambda: next(seen), spec) == made
        with pytest.raises(Conflict, match="already_exists"):
            tags._found_or_made(api, tags.CATEGORY, "raced", lambda: [], spec)


def test_an_ova_becomes_an_item_and_then_a_newer_one(vsphere: VSphere, shelf: str, box: bytes, tmp_path: Path) -> None:
    told: list[int] = []
    made = put(vsphere, shelf, box, tell=told.append)
    assert told[-1] == len(box)
    assert library.item(vsphere, f"{shelf}/box") == made
    first = files(vsphere, made)
    assert set(first) == {"box.ovf", "box.mf", "box-disk1.vmdk"}
    newer, _ = ova(appliance(2 * MIB), {"d0": qemu_vmdk(tmp_path, pattern(2 * MIB, seed=2))})
    assert put(vsphere, shelf, newer, content=iter([newer[:1000], newer[1000:]])) == made
    assert files(vsphere, made)["box-disk1.vmdk"] != first["box-disk1.vmdk"]
    assert updates(vsphere) == []


@pytest.mark.parametrize("change", [{"size_bytes": 10**9}, {"size_bytes": 1000}, {"sha256": "0" * 64}], ids=str)
def test_what_is_not_what_was_told_leaves_no_item(
    vsphere: VSphere, shelf: str, box: bytes, change: dict[str, Any]
) -> None:
    with pytest.raises(VerifyFailed, match="size or sum"):
        put(vsphere, shelf, box, **change)
    with pytest.raises(NotFound, match="no item 'box'"):
        library.item(vsphere, f"{shelf}/box")
    assert updates(vsphere) == []


def test_a_source_that_breaks_leaves_the_item_there_was(vsphere: VSphere, shelf: str, box: bytes) -> None:
    made = put(vsphere, shelf, box)
    before = files(vsphere, made)

    def broken() -> Iterator[bytes]:
        yield box[:600]
        raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        put(vsphere, shelf, box, content=broken())
    assert (library.item(vsphere, f"{shelf}/box"), files(vsphere, made)) == (made, before)
    assert updates(vsphere) == []


def test_what_is_no_ova_is_refused_by_vcenter(vsphere: VSphere, shelf: str) -> None:
    with pytest.raises(HerasphereError):
        put(vsphere, shelf, b"no tar" * 1000)
    with pytest.raises(NotFound):
        library.item(vsphere, f"{shelf}/box")


def test_a_library_that_is_not_there_is_told_with_those_that_are(vsphere: VSphere, shelf: str, box: bytes) -> None:
    with pytest.raises(NotFound) as told:
        put(vsphere, "nowhere", box)
    assert shelf in told.value.hint
    with pytest.raises(NotFound, match="no content library"):
        library.item(vsphere, "box")
    put(vsphere, shelf, box)
    with pytest.raises(NotFound, match="no item 'BOX'"):
        library.item(vsphere, f"{shelf}/BOX")


def test_an_item_becomes_a_vm(site: Site, shelf: str, box: bytes) -> None:
    put(site.vsphere, shelf, box)
    path, given = f"{shelf}/box", {"ip": "10.0.0.1"}
    vm = library.deploy(site, path, "of-the-library", MARK, given, networks={"VM Network": NETWORK})
    seen = vm.look()
    assert (seen.name, seen.power, seen.mark) == ("of-the-library", "off", MARK)
    assert [disk.capacity_bytes for disk in vm.hardware().disks] == [2 * MIB]
    assert [nic.network for nic in vm.hardware().nics] == [NETWORK]
    with pytest.raises(Conflict, match="already"):
        library.deploy(site, path, "of-the-library", MARK, {})
    vm.destroy()
    with pytest.raises(NotFound, match="no network 'nowhere'"):
        library.deploy(site, path, "x", MARK, {}, networks={"VM Network": "nowhere"})
    with pytest.raises(NotFound, match="no item"):
        library.deploy(site, f"{shelf}/nothing", "x", MARK, {})


def test_vcenter_says_why_it_deploys_nothing(site: Site, shelf: str, box: bytes, vc: VCenter) -> None:
    put(site.vsphere, shelf, box)
    vc.fault("ImportVApp=NoDiskSpace")
    with pytest.raises(Unsupported, match="does not deploy it"):
        library.deploy(site, f"{shelf}/box", "x", MARK, {})


def test_a_session_that_ended_is_opened_again(vsphere: VSphere) -> None:
    with rest.session(vsphere) as api:
        ended = api._session
        api.call("DELETE", rest.SESSION)
        api.call("GET", tags.CATEGORY)
        assert api._session != ended


def test_a_session_is_ended_whatever_happens(vsphere: VSphere) -> None:
    with pytest.raises(RuntimeError), rest.session(vsphere) as api:
        raise RuntimeError
    status, _ = api._asked("GET", f"{rest.ROOT}/{tags.CATEGORY}", None, {rest.SESSION_HEADER: api._session}, 10)
    assert status == rest.ENDED
    api.close()


def test_wrong_password_certificate_and_address(vsphere: VSphere, vc: VCenter) -> None:
    wrong = VSphere(vc.address, vsphere.tls, vc.username, "wrong-and-never-shown")
    with pytest.raises(AccessDenied, match="user name or password") as told, rest.session(wrong):
        pass
    assert "never-shown" not in str(told.value)
    with pytest.raises(AccessDenied, match="not trusted"):
        tags.attach(VSphere(vc.address, ssl.create_default_context(), "u", "p"), "vm-1", ["t"])
    with pytest.raises(Unavailable, match="connection failed"):
        tags.attach(VSphere("127.0.0.1:1", vsphere.tls, "u", "p"), "vm-1", ["t"])


def test_a_wrong_path_is_not_found(vsphere: VSphere) -> None:
    with rest.session(vsphere) as api, pytest.raises(NotFound):
        api.call("GET", f"{tags.TAG}/id:nothing")


def test_a_vcenter_that_never_stores_it(
    vsphere: VSphere, shelf: str, box: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rest.Rest.call

    def stuck(self: rest.Rest, method: str, path: str, body: Any = None, **words: Any) -> Any:
        if method == "GET" and path.startswith(library.UPDATE):
            return {"state": "ACTIVE"}
        return real(self, method, path, body, **words)

    monkeypatch.setattr(rest.Rest, "call", stuck)
    with pytest.raises(TimedOut, match="storing"):
        put(vsphere, shelf, box, clock=FakeClock())


WRONG = {"name": "box.mf", "error_message": {"default_message": "sum"}}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"validate": {"has_errors": True, "missing_files": ["box-disk2.vmdk"]}}, "box-disk2.vmdk is missing"),
        ({"validate": {"has_errors": True, "invalid_files": [WRONG]}}, "box.mf: sum"),
        ({"state": {"state": "ERROR", "error_message": {"default_message": "wrong checksum"}}}, "wrong checksum"),
    ],
)  # fmt: skip
def test_what_vcenter_finds(
    vsphere: VSphere, shelf: str, box: bytes, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], said: str
) -> None:
    """The simulator finds nothing: what a real one answers is put in its place."""
    real = rest.Rest.call

    def finds(self: rest.Rest, method: str, path: str, body: Any = None, **words: Any) -> Any:
        done = real(self, method, path, body, **words)
        if words.get("action") == "validate":
            return answers.get("validate", done)
        return answers.get("state", done) if method == "GET" and path.startswith(library.UPDATE) else done

    monkeypatch.setattr(rest.Rest, "call", finds)
    with pytest.raises(VerifyFailed, match=said):
        put(vsphere, shelf, box)


STD = "com.vmware.vapi.std.errors"


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (400, {"type": f"{STD}.already_exists", "value": {}}, Conflict),
        (400, {"type": f"{STD}.unable_to_allocate_resource"}, Conflict),
        (400, {"type": f"{STD}.resource_busy"}, Unavailable),
        (400, {"type": f"{STD}.invalid_argument", "value": {"messages": [{"default_message": "said"}]}}, Unsupported),
        (403, {"type": f"{STD}.unauthorized"}, AccessDenied),
        (404, {"type": f"{STD}.not_found"}, NotFound),
        (404, None, NotFound),
        (400, {"error_type": "ALREADY_EXISTS", "messages": []}, Conflict),
        (503, "starting", Unavailable),
        (500, {"type": f"{STD}.error"}, Unavailable),
        (0, {"@class": f"{STD}.already_exists"}, Conflict),
    ],
)
def test_each_refusal(status: int, answer: Any, error: type[HerasphereError]) -> None:
    made = rest.error_of(status, answer, "here")
    assert type(made) is error and made.hint
    assert ("said" in str(made)) == ("said" in str(answer))
