"""Export leases: a VM's disks as streams, while the lease is kept alive.

A lease ends by itself some minutes after its last word of progress, and the VM is locked until then. Every way out of
the context ends it: complete when all went well, aborted when not.
"""

import hashlib
import http.client
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from pyVmomi import vim, vmodl

from steps.clients.vsphere import files
from steps.clients.vsphere.connection import HTTPS_PORT
from steps.clients.vsphere.devices import CONTROLLERS
from steps.clients.vsphere.faults import UNREACHABLE, error_of, unreachable
from steps.clients.vsphere.heartbeat import Heartbeat, beating, wait_until_ready
from steps.clients.vsphere.machines import Vm
from steps.clients.vsphere.properties import read
from steps.domain.errors import HerasphereError, Unavailable, Unsupported, VerifyFailed
from steps.domain.ovf import Disk, Hardware

PLACE = re.compile(r"(\w+Controller)(\d+):(\d+)$")  # the end of "/vm-42/ParaVirtualSCSIController0:0"


class Lease:
    """An export that is ready. Made by `exporting`."""

    def __init__(self, vm: Vm, urls: dict[str, Any], heart: Heartbeat) -> None:
        self._vm = vm
        self._urls = urls
        self.heart = heart

    @property
    def disks(self) -> tuple[str, ...]:
        """The ids of the disks, as the VM's hardware has them."""
        return tuple(self._urls)

    @contextmanager
    def stream(self, disk_id: str, chunk_bytes: int = files.CHUNK_BYTES) -> Iterator[Iterator[bytes]]:
        """The disk's stream-optimized VMDK in chunks.

        Unavailable if it is cut, TimedOut if the lease ended: nothing of a stream can be had twice.
        """
        device = self._urls[disk_id]
        url = urlsplit(device.url)
        vsphere = self._vm.vsphere
        host = url.hostname if url.hostname not in (None, "*") else vsphere.host
        port = url.port or (vsphere.port if host == vsphere.host else HTTPS_PORT)
        connection = files.connection_to(vsphere, str(host), port)
        if host != vsphere.host and device.sslThumbprint:
            connection = _pinned(connection.host, connection.port, device.sslThumbprint)
        where = self.heart.where
        try:
            path = url.path + (f"?{url.query}" if url.query else "")
            try:
                connection.request("GET", path, headers={"Cookie": vsphere.cookie})
                answer = connection.getresponse()
            except UNREACHABLE as error:
                raise self.heart.lost or unreachable(error, where) from error
            if answer.status != 200:
                raise self._cut(f"HTTP {answer.status} for disk {disk_id}", where)
            yield self._chunks(answer, chunk_bytes, where)  # an OSError of who writes them is none of the connection's
        finally:
            connection.close()

    def _chunks(self, answer: Any, chunk_bytes: int, where: str) -> Iterator[bytes]:
        while True:
            if self.heart.lost is not None:
                raise self.heart.lost
            try:
                chunk = answer.read(chunk_bytes)
            except UNREACHABLE as error:
                raise self._cut(f"the stream was cut ({type(error).__name__})", where) from error
            if not chunk:
                return
            yield chunk

    def _cut(self, what: str, where: str) -> HerasphereError:
        """Why the stream ended: with the lease, or by itself."""
        with suppress(HerasphereError):
            self.heart.check()
        return self.heart.lost or Unavailable(what, where=where, hint="the export starts again from the beginning")


@contextmanager
def exporting(vm: Vm, hardware: Hardware) -> Iterator[Lease]:
    """A lease of all disks of the VM, which is off. hardware: the VM's

    Unavailable while another export of it is under way, which is also so for some minutes after one died.
    """
    try:
        lease = vm.object.ExportVm()
    except vim.fault.InvalidPowerState as fault:  # an InvalidState too, but none that passes
        raise error_of(fault, vm.where) from fault
    except (vim.fault.TaskInProgress, vim.fault.InvalidState) as fault:
        hint = "vCenter ends an export that died about five minutes after its last word"
        raise Unavailable("another export of it is under way", where=vm.where, hint=hint) from fault
    try:
        where = f"the export of {vm.where}"
        wait_until_ready(vm.vsphere, lease, where)
        with beating(vm.vsphere, lease, where) as heart:
            yield Lease(vm, _urls(vm, lease, hardware), heart)
        lease.HttpNfcLeaseProgress(percent=100)
        lease.HttpNfcLeaseComplete()
    except BaseException:
        with suppress(vmodl.MethodFault, HerasphereError):
            lease.HttpNfcLeaseAbort(fault=vmodl.fault.RequestCanceled())
        raise


def _urls(vm: Vm, lease: Any, hardware: Hardware) -> dict[str, Any]:
    """The device URL of each disk."""
    urls = [each for each in read(vm.vsphere, lease, "info.deviceUrl")["info.deviceUrl"] or [] if each.disk]
    return {disk.id: url for disk, url in zip(hardware.ordered_disks, _in_order(urls, hardware, vm), strict=True)}


def _in_order(urls: Sequence[Any], hardware: Hardware, vm: Vm) -> list[Any]:
    """The URLs in the order of the disks; a vCenter that names no places gives them in their order."""
    disks = hardware.ordered_disks
    if len(urls) != len(disks):
        what = f"vCenter exports {len(urls)} disks, the VM has {len(disks)}"
        raise Unsupported(what, where=vm.where, hint="are some of them independent, or raw devices?")
    by_place = {_place(url.key): url for url in urls}
    wanted = [_wanted(disk, hardware) for disk in disks]
    return [by_place[each] for each in wanted] if set(by_place) == set(wanted) else list(urls)


def _place(key: str) -> tuple[str, int, int] | None:
    match = PLACE.search(key)
    return (match[1], int(match[2]), int(match[3])) if match else None


def _wanted(disk: Disk, hardware: Hardware) -> tuple[str, int, int]:
    controller = next(each for each in hardware.ordered_controllers if each.key == disk.controller)
    return CONTROLLERS[controller.kind].__name__.rpartition(".")[2], controller.bus, disk.unit


def _pinned(host: str, port: int, thumbprint: str) -> Any:
    """A connection to an ESXi host whose certificate vCenter vouches for by its thumbprint."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, port, timeout=files.IDLE_S, context=context)
    connection.connect()
    certificate = connection.sock.getpeercert(binary_form=True) or b""
    wanted = thumbprint.replace(":", "").lower()
    digest: Callable[..., Any] = hashlib.sha256 if len(wanted) == hashlib.sha256().digest_size * 2 else hashlib.sha1
    if digest(certificate).hexdigest() != wanted:
        connection.close()
        hint = "is something between here and the host?"
        raise VerifyFailed("its certificate is not the one vCenter names", where=f"{host}:{port}", hint=hint)
    return connection
