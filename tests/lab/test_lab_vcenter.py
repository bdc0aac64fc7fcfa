"""The simulated vCenter by itself: the calls, refusals and faults that it has beyond govmomi's simulator."""

import hashlib
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from tests.lab.vcenter.client import SCAN_CODES, Client, TaskFailed, client, make_vm, vm_spec
from tests.lab.vcenter.fixture import why_not
from tests.lab.vcenter.transfers import Exported, deploy, export, ready_lease
from tests.lab.vcenter.vcenter import VCenter, vcenter

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

HERE = Path(__file__).parents[2]
MIB = 1 << 20
CAPACITY = 40 * MIB
LACKED = "VirtualMachine.Interact.PowerOn"


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    with vcenter(tmp_path_factory.mktemp("vcenter"), lacks=[LACKED], faults=["Rename_Task:never=NoPermission"]) as made:
        yield made


@pytest.fixture
def by(vc: VCenter) -> Iterator[Client]:
    with client(vc) as made:
        yield made


@pytest.fixture
def vm(by: Client, request: pytest.FixtureRequest) -> Any:
    return make_vm(by, request.node.name)


def failure(by: Client, task: Any) -> Any:
    with pytest.raises(TaskFailed) as caught:
        by.done(task)
    return caught.value.fault


def test_who_does_not_know_the_password_or_the_certificate_comes_to_nothing(vc: VCenter) -> None:
    with pytest.raises(vim.fault.InvalidLogin), client(vc, password="wrong"):
        pass
    stranger = http.client.HTTPSConnection(vc.address, context=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/sdk")
    stranger.close()


def test_files_are_for_who_is_logged_in(by: Client) -> None:
    path = by.file_path("a.iso")
    for method in ("GET", "PUT", "DELETE"):
        assert by.http(method, path, b"1" if method == "PUT" else None, known=False)[0] == 401
    assert by.http("PUT", path, b"first") == (201, b"")
    assert by.http("PUT", path, b"second") == (200, b"")
    assert by.http("HEAD", path) == (200, b"") and by.http("GET", path) == (200, b"second")
    assert by.http("GET", path, headers={"Range": "bytes=1-2"}) == (206, b"ec")
    assert by.http("PUT", by.file_path("no/such/folder.iso"), b"1")[0] == 404
    assert (by.vc.datastore_folder / "a.iso").read_bytes() == b"second"
    assert by.http("DELETE", path)[0] == 200
    assert by.http("GET", path)[0] == by.http("DELETE", path)[0] == 404


def test_a_ticket_is_good_for_one_request(by: Client) -> None:
    path = by.file_path("ticket.iso")
    spec = vim.SessionManager.HttpServiceRequestSpec(method="httpPut", url=f"https://{by.vc.address}{path}")
    ticket = by.content.sessionManager.AcquireGenericServiceTicket(spec)
    cookie = {"Cookie": f"vmware_cgi_ticket={ticket.id}"}
    assert by.http("GET", path, None, cookie, known=False)[0] == 401
    assert by.http("PUT", path, b"1", cookie, known=False)[0] == 201
    assert by.http("PUT", path, b"1", cookie, known=False)[0] == 401


def test_a_datastore_that_is_full(tmp_path: Path) -> None:
    with vcenter(tmp_path, capacity_bytes=CAPACITY) as full, client(full) as by:
        path = by.file_path("large.iso")
        assert by.http("PUT", path, bytes(CAPACITY + 1))[0] == 507
        assert by.http("PUT", path, iter([bytes(CAPACITY), b"1"]))[0] == 507
        assert by.http("DELETE", path)[0] == 200
        assert by.http("PUT", path, bytes(30 * MIB))[0] == 201
        datastore = by.at(f"{full.datacenter}/datastore/{full.datastore}")
        assert by.get(datastore, "summary.freeSpace") == 10 * MIB
        spec = vm_spec(full, "thick", disk_mib=20)
        spec.deviceChange[1].device.backing.thinProvisioned = False
        assert isinstance(failure(by, by.folder.CreateVM_Task(spec, by.pool)), vim.fault.NoDiskSpace)
        make_vm(by, "thin", disk_mib=20)


def test_keys_are_counted_and_remembered(by: Client, vm: Any) -> None:
    with pytest.raises(vim.fault.InvalidPowerState):
        by.type(vm, "a")
    by.done(vm.PowerOnVM_Task())
    assert by.type(vm, "ls -A /\n", pause_s=0) == 8
    other_page = SCAN_CODES.KeyEvent(usbHidCode=0x04 << 16 | 12)
    assert vm.PutUsbScanCodes(SCAN_CODES(keyEvents=[other_page])) == 0
    name = by.get(vm, "name")
    assert by.vc.keys(name) == ["l", "s", "spc", "minus", "shift+a", "spc", "slash", "ret"]
    by.done(vm.ResetVM_Task())
    assert by.vc.keys(name) == []


def test_a_screenshot_lies_beside_the_vm(by: Client, vm: Any) -> None:
    path = by.done(vm.CreateScreenshot_Task())
    status, picture = by.http("GET", by.file_path(path.partition("] ")[2]))
    assert status == 200 and picture.startswith(b"\x89PNG")


def test_what_a_vcenter_refuses(by: Client, vm: Any) -> None:
    def refused(**changes: Any) -> Any:
        spec = vm_spec(by.vc, "refused")
        for name, value in changes.items():
            setattr(spec, name, value)
        return failure(by, by.folder.CreateVM_Task(spec, by.pool))

    assert isinstance(refused(name=by.get(vm, "name")), vim.fault.DuplicateName)
    assert isinstance(refused(guestId="noSuchGuest"), vmodl.fault.InvalidArgument)
    nowhere = vim.vm.FileInfo(vmPathName="[nowhere]")
    assert isinstance(refused(files=nowhere), vim.fault.InvalidDatastorePath)
    change = vm_spec(by.vc, "-", cd=["a.iso"]).deviceChange[-1]
    change.device.backing.fileName = "[nowhere] a.iso"
    assert isinstance(refused(deviceChange=[change]), vim.fault.InvalidDatastorePath)
    for name, media in (("cd", {"cd": ["no.iso"]}), ("floppy", {"floppy": "no.flp"})):
        fault = failure(by, make_vm(by, f"no-{name}", **media).PowerOnVM_Task())
        assert isinstance(fault, vim.fault.FileNotFound) and "no." in fault.file


def test_privileges(by: Client) -> None:
    authorization, wanted = by.content.authorizationManager, [LACKED, "System.View"]
    session = by.get(by.content.sessionManager, "currentSession").key
    for answer in (
        authorization.HasPrivilegeOnEntities([by.folder], session, wanted),
        authorization.HasUserPrivilegeOnEntities([by.folder], by.vc.username, wanted),
    ):
        assert [each.isGranted for each in answer[0].privAvailability] == [False, True]


def test_faults_come_when_and_where_they_were_asked_for(by: Client, vm: Any) -> None:
    by.vc.fault("PowerOnVM_Task=NotAuthenticated@1x2")
    by.vc.fault("PowerOnVM_Task:someone-else=TaskInProgress")
    by.vc.fault(f"PowerOffVM_Task:{by.get(vm, 'name')}=task:SystemError")
    by.done(vm.PowerOnVM_Task())
    for _ in range(2):
        with pytest.raises(vim.fault.NotAuthenticated):
            vm.PowerOnVM_Task()
    with pytest.raises(TaskFailed, match="A general system error occurred") as caught:
        by.done(vm.PowerOffVM_Task())
    assert isinstance(caught.value.fault, vmodl.fault.SystemError)
    by.vc.fault("PutUsbScanCodes=SystemError")
    with pytest.raises(vmodl.fault.SystemError, match="A general system error occurred"):
        by.type(vm, "a")
    by.done(vm.PowerOffVM_Task())
    with pytest.raises(urllib.error.HTTPError):
        by.vc.fault("PowerOnVM_Task=NoSuchFault")


def test_a_disk_comes_out_as_it_went_in(by: Client, vm: Any, tmp_path: Path) -> None:
    raw, vmdk = tmp_path / "disk.raw", tmp_path / "disk.vmdk"
    raw.write_bytes(os.urandom(2 * MIB) + bytes(198 * MIB))
    options = ["-o", "subformat=streamOptimized"]
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", *options, str(raw), str(vmdk)], check=True)
    empty = export(by, vm)
    came_in = deploy(by, Exported(empty.descriptor, {"disk-0.vmdk": vmdk.read_bytes()}, []), "came-in")
    came_out = export(by, came_in)
    content = came_out.disks["disk-0.vmdk"]
    vmdk.write_bytes(content)
    subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "vmdk", str(raw), str(vmdk)], check=True)
    assert b'createType="streamOptimized"' in content[:4096]
    entry = came_out.entries[0]
    assert (entry.checksum, entry.size) == (hashlib.sha256(content).hexdigest(), len(content))
    ovf = "{http://schemas.dmtf.org/ovf/envelope/1}"
    file = ET.fromstring(came_out.descriptor).find(f"{ovf}References/{ovf}File")
    assert file is not None and file.get(f"{ovf}href") == "disk-0.vmdk"
    with pytest.raises(vim.fault.InvalidPowerState):
        by.done(came_in.PowerOnVM_Task())
        came_in.ExportVm()


def properties(*changes: tuple[str, int, dict[str, str]], transports: tuple[str, ...] = ()) -> Any:
    """A vApp configuration: operation, key, what is told of the property."""
    specs = [
        vim.vApp.PropertySpec(operation=what, info=vim.vApp.PropertyInfo(key=key, userConfigurable=True, **told))
        for what, key, told in changes
    ]
    return vim.vApp.VmConfigSpec(property=specs, ovfEnvironmentTransport=list(transports))


def environment(by: Client, vm: Any) -> dict[str, str]:
    """The properties that VMware Tools tell the guest of."""
    extra = {each.key: each.value for each in by.get(vm, "config.extraConfig")}
    root = ET.fromstring(extra.get("guestinfo.ovfEnv", "<none/>"))
    oe = "{http://schemas.dmtf.org/ovf/environment/1}"
    found = root.iterfind(f"{oe}PropertySection/{oe}Property")
    return {each.get(f"{oe}key", "-"): each.get(f"{oe}value", "-") for each in found}


def test_a_guest_gets_its_properties_as_they_are_at_its_power_on(by: Client) -> None:
    spec = vm_spec(by.vc, "properties")
    spec.vAppConfig = properties(
        ("add", 0, {"id": "host", "value": '<a> & "b"', "defaultValue": "c"}),
        ("add", 1, {"id": "ip", "classId": "net", "instanceId": "1", "defaultValue": "192.0.2.1"}),
    )
    vm = by.done(by.folder.CreateVM_Task(spec, by.pool))
    by.done(vm.PowerOnVM_Task())
    assert environment(by, vm) == {}
    transports = properties(transports=("com.vmware.guestInfo",))
    by.done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(vAppConfig=transports)))
    assert environment(by, vm) == {}
    by.done(vm.PowerOffVM_Task())
    by.done(vm.PowerOnVM_Task())
    assert environment(by, vm) == {"host": '<a> & "b"', "net.ip.1": "192.0.2.1"}
    by.done(vm.PowerOffVM_Task())

    changed = properties(("edit", 0, {"id": "host", "value": "clone"}))
    where = vim.vm.RelocateSpec(pool=by.pool)
    config = vim.vm.ConfigSpec(vAppConfig=changed)
    cloning = vim.vm.CloneSpec(location=where, config=config, powerOn=True, template=False)
    clone = by.done(vm.CloneVM_Task(by.folder, "clone of properties", cloning))
    assert environment(by, clone) == {"host": "clone", "net.ip.1": "192.0.2.1"}
    assert by.get(vm, "config.vAppConfig.property")[0].value == '<a> & "b"'


def test_a_lease_ends_without_progress(tmp_path: Path) -> None:
    with vcenter(tmp_path, lease_timeout_s=1) as impatient, client(impatient) as by:
        vm = make_vm(by, "vm")
        lease = ready_lease(by, vm)
        for _ in range(8):
            time.sleep(0.2)
            lease.HttpNfcLeaseProgress(10)
        url = by.get(lease, "info.deviceUrl")[0].url
        by.until(lease, "state", lambda value: value == "error", 10)
        assert isinstance(by.get(lease, "error"), vim.fault.Timedout)
        assert by.http("GET", urllib.parse.urlsplit(url).path)[0] == 404
        with pytest.raises(vim.fault.Timedout):
            lease.HttpNfcLeaseProgress(20)


def test_downloads_that_are_cut(by: Client, vm: Any) -> None:
    by.vc.fault("drop-nfc@100")
    lease = ready_lease(by, vm)
    path = urllib.parse.urlsplit(by.get(lease, "info.deviceUrl")[0].url).path
    with pytest.raises(http.client.IncompleteRead):
        by.http("GET", path)
    assert by.http("GET", path)[0] == 200
    lease.HttpNfcLeaseAbort()
    assert by.http("GET", path)[0] == 404
    by.vc.fault("lease-timeout")
    lease = ready_lease(by, vm)
    by.until(lease, "state", lambda value: value == "error", 10)


def test_the_current_snapshot_is_removed_and_its_children_stay(by: Client, vm: Any) -> None:
    first = by.done(vm.CreateSnapshot_Task(name="first", memory=False, quiesce=False))
    by.done(vm.CreateSnapshot_Task(name="second", memory=False, quiesce=False))
    by.done(first.RevertToSnapshot_Task())
    by.done(first.RemoveSnapshot_Task(removeChildren=False))
    assert [each.name for each in by.get(vm, "snapshot.rootSnapshotList")] == ["second"]


def test_two_who_wait_are_both_woken(vc: VCenter, by: Client, vm: Any) -> None:
    with client(vc) as other:
        seen = other.vm(by.get(vm, "name"))
        assert other.get(seen, "runtime.powerState") == "poweredOff"
        by.done(vm.PowerOnVM_Task())
        other.until(seen, "runtime.powerState", lambda value: value == "poweredOn", 10)
        other.done(seen.PowerOffVM_Task())
        by.until(vm, "runtime.powerState", lambda value: value == "poweredOff", 10)


def test_it_ends_with_who_started_it(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib; from tests.lab.vcenter.vcenter import vcenter\n"
        "with vcenter(pathlib.Path(sys.argv[1])) as vc:\n print(vc.process.pid, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=HERE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert starter.stdout is not None
    with starter.stdout as output:
        pid = int(output.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    end = time.monotonic() + 10
    while (process := Path(f"/proc/{pid}/status")).exists() and "State:\tZ" not in process.read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
