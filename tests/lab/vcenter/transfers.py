"""Disks that leave the lab's vCenter and come in again, as a client does it."""

import urllib.parse
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from tests.lab.vcenter.client import Client


@dataclass(frozen=True)
class Exported:
    """A VM outside: its descriptor, its disks by their names in it, and what the lease said of each.

    entries: the lease's manifest
    """

    descriptor: str
    disks: dict[str, bytes]
    entries: list[Any]


def ready_lease(by: Client, vm: Any) -> Any:
    lease = vm.ExportVm()
    state = by.until(lease, "state", lambda value: value in ("ready", "error"))
    if state == "error":
        raise RuntimeError(str(by.get(lease, "error")))
    return lease


def export(by: Client, vm: Any) -> Exported:
    """The whole VM, its lease completed."""
    lease = ready_lease(by, vm)
    disks = {}
    for device in by.get(lease, "info.deviceUrl"):
        status, content = by.http("GET", urllib.parse.urlsplit(device.url).path)
        assert status == 200
        disks[device.targetId] = content
        lease.HttpNfcLeaseProgress(100)
    entries = list(lease.HttpNfcLeaseGetManifest())
    lease.HttpNfcLeaseComplete()
    files = [
        vim.OvfManager.OvfFile(
            deviceId=entry.key, path=name, size=len(disks[name]), capacity=entry.capacity, populatedSize=entry.size
        )
        for entry, name in zip(entries, disks, strict=True)
    ]
    params = vim.OvfManager.CreateDescriptorParams(name=by.get(vm, "name"), ovfFiles=files)
    made = by.content.ovfManager.CreateDescriptor(vm, params)
    return Exported(made.ovfDescriptor, disks, entries)


def deploy(by: Client, what: Exported, name: str) -> Any:
    """A VM of that name with these disks."""
    network = by.at(f"{by.vc.datacenter}/network/{by.vc.network_name}")
    params = vim.OvfManager.CreateImportSpecParams(
        entityName=name,
        diskProvisioning="thin",
        networkMapping=[vim.OvfManager.NetworkMapping(name=by.vc.network_name, network=network)],
    )
    datastore = by.at(f"{by.vc.datacenter}/datastore/{by.vc.datastore}")
    spec = by.content.ovfManager.CreateImportSpec(what.descriptor, by.pool, datastore, params)
    assert not spec.error, spec.error
    lease = by.pool.ImportVApp(spec.importSpec, by.folder)
    by.until(lease, "state", lambda value: value in ("ready", "error"))
    urls = [device.url for device in by.get(lease, "info.deviceUrl") if device.disk]
    for url, content in zip(urls, what.disks.values(), strict=True):
        status, _ = by.http("POST", urllib.parse.urlsplit(url).path, content)
        assert status == 200
    vm = by.get(lease, "info.entity")
    lease.HttpNfcLeaseComplete()
    return vm
