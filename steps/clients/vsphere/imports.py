"""An OVA as a VM: its disks travel straight from the archive to vCenter, kept nowhere else."""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pyVmomi import vim, vmodl

from steps.clients.vsphere import files
from steps.clients.vsphere.faults import UNREACHABLE, error_of, unreachable
from steps.clients.vsphere.heartbeat import Heartbeat, beating, wait_until_ready
from steps.clients.vsphere.inventory import Site, network
from steps.clients.vsphere.machines import Vm, extra_config
from steps.clients.vsphere.properties import read
from steps.domain.errors import HerasphereError, Unavailable, Unsupported, VerifyFailed
from steps.domain.image.vm import NOTES, Mark
from steps.domain.ova.archive import Archive, Readable
from steps.domain.ovf.reading import read_descriptor

MOST_DESCRIPTOR_BYTES = 2**20
DESCRIPTOR = ".ovf"
IMPORTING = {key: "yes" for key, note in NOTES.items() if note == "importing"}


@dataclass(frozen=True)
class Wanted:
    """What the VM is to be. network: of all its adapters; empty: each of the name it has in the OVA"""

    name: str
    mark: Mark
    properties: Mapping[str, str]
    network: str = ""


def deploy(site: Site, ova: Readable, wanted: Wanted, tell: Callable[[int], None] = lambda _: None) -> Vm:
    """The VM of this OVA at this place, off and marked. Its licences are accepted.

    Unsupported for what is no OVA, or none that vCenter takes; Unavailable if a connection failed. vCenter removes the
    VM then, in its own time: until its disks are whole it is noted as importing.
    """
    archive = Archive(ova)
    members = archive.members()
    first = next(members, None)
    if first is None or not first[0].name.endswith(DESCRIPTOR) or first[0].size_bytes > MOST_DESCRIPTOR_BYTES:
        raise Unsupported("its first file is no OVF descriptor", where="the OVA", hint="`hera ova verify` tells more")
    text = b"".join(archive.content())
    spec = _spec(site, text, wanted)
    lease = site.pool.ImportVApp(spec=spec.importSpec, folder=site.folder, host=site.host)
    where = f"the import of {wanted.name} at {site.vsphere.where}"
    try:
        wait_until_ready(site.vsphere, lease, where)
        targets = _targets(site, lease, spec)
        with beating(site.vsphere, lease, where) as heart:
            for member, _ in members:
                if target := targets.pop(posixpath.normpath(member.name), None):
                    _send(site, target, archive.content(), member.size_bytes, heart, tell)
        if targets:
            hint = "`hera ova verify` tells more"
            raise VerifyFailed(f"the OVA lacks {', '.join(targets)}", where=where, hint=hint)
        vm = Vm(site.vsphere, read(site.vsphere, lease, "info.entity")["info.entity"]._moId)
        lease.HttpNfcLeaseProgress(percent=100)
        lease.HttpNfcLeaseComplete()
        vm.note({"importing": ""})
    except BaseException:
        with suppress(vmodl.MethodFault, HerasphereError):
            lease.HttpNfcLeaseAbort(fault=vmodl.fault.RequestCanceled())
        raise
    return vm


def _spec(site: Site, text: bytes, wanted: Wanted) -> Any:
    """What vCenter makes of the descriptor; the first of its errors if it takes it not."""
    names = read_descriptor(text).networks
    mapped = {name: network(site, wanted.network or name) for name in names}
    params = vim.OvfManager.CreateImportSpecParams(
        entityName=wanted.name,
        diskProvisioning="thin",
        networkMapping=[vim.OvfManager.NetworkMapping(name=name, network=each) for name, each in mapped.items()],
        propertyMapping=[vim.KeyValue(key=key, value=value) for key, value in wanted.properties.items()],
    )
    made = site.vsphere.content.ovfManager.CreateImportSpec(
        ovfDescriptor=text.decode(), resourcePool=site.pool, datastore=site.datastore, cisp=params
    )
    if made.error:
        raise error_of(made.error[0], f"the OVA {wanted.name}")
    config = made.importSpec.configSpec
    config.extraConfig = [*(config.extraConfig or []), *extra_config(wanted.mark.extra_config | IMPORTING)]
    return made


def _targets(site: Site, lease: Any, spec: Any) -> dict[str, tuple[Any, str]]:
    """The URL that each file of the archive goes to, and how it is sent there."""
    urls = {each.importKey: each.url for each in read(site.vsphere, lease, "info.deviceUrl")["info.deviceUrl"]}
    return {
        posixpath.normpath(item.path): (urlsplit(urls[item.deviceId]), "PUT" if item.create else "POST")
        for item in spec.fileItem or []
    }


def _send(
    site: Site, target: tuple[Any, str], content: Iterator[bytes], size_bytes: int, heart: Heartbeat,
    tell: Callable[[int], None],
) -> None:  # fmt: skip
    url, method = target
    host = url.hostname if url.hostname not in (None, "*") else site.vsphere.host
    connection = files.connection_to(site.vsphere, str(host), url.port or 0)
    sent = 0
    try:
        connection.putrequest(method, url.path + (f"?{url.query}" if url.query else ""))
        connection.putheader("Cookie", site.vsphere.cookie)
        connection.putheader("Content-Type", "application/x-vnd.vmware-streamVmdk")
        connection.putheader("Content-Length", str(size_bytes))
        connection.endheaders()
        for piece in content:
            if heart.lost is not None:
                raise heart.lost
            connection.send(piece)
            sent += len(piece)
            heart.percent = 100 * sent // max(1, size_bytes)
            tell(heart.percent)
        if sent != size_bytes:
            raise VerifyFailed("the OVA ends before its end", where=heart.where, hint="fetch or copy it again")
        status = connection.getresponse().status
        if status >= 300:
            raise Unavailable(f"vCenter answers HTTP {status}", where=heart.where, hint="look at the datastore's room")
    except UNREACHABLE as error:
        raise unreachable(error, heart.where) from error
    finally:
        connection.close()
