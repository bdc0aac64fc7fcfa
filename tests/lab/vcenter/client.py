"""A plain pyvmomi client of the lab's vCenter, for its own tests: it trusts nothing but the lab's certificate.

Properties are read by their leaf paths, and waiting has a property collector of its own: see LIMITS.md.
"""

import http.client
import ssl
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from pyVmomi import SoapStubAdapter, vim, vmodl

from tests.lab.vcenter.vcenter import VCenter

API_6_5 = "vim.version.version11"  # typing came with it
PATIENCE_S = 120.0
SCAN_CODES: Any = cast(Any, vim).UsbScanCodeSpec  # which its type stubs forgot
KEYBOARD = 7  # page of HID's usages
USAGES = {letter: 0x04 + number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
USAGES |= {digit: 0x1E + number for number, digit in enumerate("1234567890")}
USAGES |= {"\n": 0x28, "\x1b": 0x29, "\t": 0x2B, " ": 0x2C, "-": 0x2D, "=": 0x2E, ";": 0x33, ",": 0x36, ".": 0x37}
USAGES |= {"/": 0x38}
SHIFTED = dict(zip(":_+?", ";-=/", strict=True))


class TaskFailed(Exception):
    """A task ended in error; `fault` is its fault."""

    def __init__(self, fault: Any, message: str) -> None:
        super().__init__(f"{type(fault).__name__}: {message}")
        self.fault = fault


class Client:
    """One session."""

    def __init__(self, vc: VCenter, instance: Any) -> None:
        self.vc = vc
        self.instance = instance
        self.content = instance.RetrieveContent()
        self._collector = self.content.propertyCollector.CreatePropertyCollector()

    def get(self, ref: Any, *paths: str) -> Any:
        """What is at the path, None where nothing is; of several paths all of it as a tuple."""
        Spec = vmodl.query.PropertyCollector  # noqa: N806
        spec = Spec.FilterSpec(
            propSet=[Spec.PropertySpec(type=type(ref), pathSet=list(paths))], objectSet=[Spec.ObjectSpec(obj=ref)]
        )
        found = self._collector.RetrievePropertiesEx([spec], Spec.RetrieveOptions()).objects[0]
        values = {each.name: each.val for each in found.propSet}
        return values.get(paths[0]) if len(paths) == 1 else tuple(values.get(path) for path in paths)

    def at(self, path: str) -> Any:
        return self.content.searchIndex.FindByInventoryPath(path)

    @property
    def datacenter(self) -> Any:
        return self.at(self.vc.datacenter)

    @property
    def folder(self) -> Any:
        return self.at(f"{self.vc.datacenter}/{self.vc.vm_folder}")

    @property
    def pool(self) -> Any:
        return self.at(f"{self.vc.datacenter}/host/{self.vc.cluster}/{self.vc.resource_pool}")

    def vm(self, name: str) -> Any:
        return self.at(f"{self.vc.datacenter}/{self.vc.vm_folder}/{name}")

    def done(self, task: Any, timeout_s: float = PATIENCE_S) -> Any:
        """The task's result."""
        state = self.until(task, "info.state", lambda value: value in ("success", "error"), timeout_s)
        if state == "error":
            fault = self.get(task, "info.error")
            raise TaskFailed(fault, fault.msg)
        return self.get(task, "info.result")

    def until(self, ref: Any, path: str, fits: Any, timeout_s: float = PATIENCE_S) -> Any:
        """The property's value once it fits; what changes wakes us."""
        Spec = vmodl.query.PropertyCollector  # noqa: N806
        spec = Spec.FilterSpec(
            propSet=[Spec.PropertySpec(type=type(ref), pathSet=[path])], objectSet=[Spec.ObjectSpec(obj=ref)]
        )
        watched = self._collector.CreateFilter(spec, partialUpdates=False)
        try:
            end, version = time.monotonic() + timeout_s, ""
            while not fits(value := self.get(ref, path)):
                if time.monotonic() > end:
                    raise TimeoutError(f"{path} of {ref} is still {value!r}")
                update = self._collector.WaitForUpdatesEx(version, Spec.WaitOptions(maxWaitSeconds=5))
                version = update.version if update is not None else version
        finally:
            watched.Destroy()
        return value

    def type(self, vm: Any, text: str, pause_s: float = 0.05) -> int:
        """How many keys the VM took."""
        spec = SCAN_CODES
        accepted = 0
        for letter in text:
            plain = SHIFTED.get(letter, letter.lower())
            held = spec.ModifierType(leftShift=True) if plain != letter else None
            event = spec.KeyEvent(usbHidCode=USAGES[plain] << 16 | KEYBOARD, modifiers=held)
            accepted += vm.PutUsbScanCodes(SCAN_CODES(keyEvents=[event]))
            time.sleep(pause_s)
        return accepted

    def http(
        self, method: str, path: str, data: Any = None, headers: Mapping[str, str] = {}, *, known: bool = True
    ) -> tuple[int, bytes]:
        """Status and body of a request with the session's cookie, unless it is to come unknown."""
        connection = http.client.HTTPSConnection(self.vc.address, context=context_of(self.vc), timeout=PATIENCE_S)
        cookie = {"Cookie": self.instance._stub.cookie.split(";")[0]} if known else {}
        try:
            connection.request(method, path, data, {**cookie, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def file_path(self, path: str) -> str:
        """Where a file of the datastore is by HTTP."""
        query = urllib.parse.urlencode({"dcPath": self.vc.datacenter, "dsName": self.vc.datastore})
        return f"/folder/{urllib.parse.quote(path)}?{query}"


def context_of(vc: VCenter) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(vc.certificate))


@contextmanager
def client(vc: VCenter, *, password: str = "") -> Iterator[Client]:
    host, _, port = vc.address.partition(":")
    stub = SoapStubAdapter(
        host=host, port=int(port), version=API_6_5, sslContext=context_of(vc), httpConnectionTimeout=PATIENCE_S
    )
    instance: Any = vim.ServiceInstance("ServiceInstance", stub)
    try:
        sessions = instance.RetrieveContent().sessionManager
        sessions.Login(vc.username, password or vc.password)
        yield Client(vc, instance)
        sessions.Logout()
    finally:
        stub.DropConnections()


def vm_spec(vc: VCenter, name: str, *, disk_mib: int = 200, cd: Sequence[str] = (), floppy: str = "") -> Any:
    """One with pvscsi, a thin disk, vmxnet3, and media in its drives: paths in the datastore."""
    device, operation = vim.vm.device, "add"
    connected = device.VirtualDevice.ConnectInfo(startConnected=True, connected=True, allowGuestControl=True)
    files = device.VirtualDisk.FlatVer2BackingInfo(diskMode="persistent", thinProvisioned=True, fileName="")
    devices: list[Any] = [
        device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing"),
        device.VirtualDisk(key=-2, controllerKey=-1, unitNumber=0, capacityInKB=disk_mib << 10, backing=files),
        device.VirtualVmxnet3(
            key=-3, backing=device.VirtualEthernetCard.NetworkBackingInfo(deviceName=vc.network_name),
            connectable=connected, addressType="generated",
        ),
    ]  # fmt: skip
    for number, path in enumerate(cd):
        iso = device.VirtualCdrom.IsoBackingInfo(fileName=f"[{vc.datastore}] {path}")
        devices.append(
            device.VirtualCdrom(
                key=-10 - number, controllerKey=200 + number, unitNumber=0, backing=iso, connectable=connected
            )
        )
    if floppy:
        image = device.VirtualFloppy.ImageBackingInfo(fileName=f"[{vc.datastore}] {floppy}")
        devices.append(device.VirtualFloppy(key=-20, controllerKey=400, backing=image, connectable=connected))
    changes = []
    for each in devices:
        change: Any = device.VirtualDeviceSpec(device=each, operation=operation)
        if isinstance(each, device.VirtualDisk):
            change.fileOperation = "create"
        changes.append(change)
    return vim.vm.ConfigSpec(
        name=name, guestId="other5xLinux64Guest", numCPUs=1, memoryMB=512, version="vmx-14", firmware="bios",
        files=vim.vm.FileInfo(vmPathName=f"[{vc.datastore}]"), deviceChange=changes,
    )  # fmt: skip


def make_vm(to: Client, name: str, **choices: Any) -> Any:
    return to.done(to.folder.CreateVM_Task(vm_spec(to.vc, name, **choices), to.pool))
