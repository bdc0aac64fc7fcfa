"""A VM's removable drives: what is put into them, and taking them out."""

from typing import Any

from pyVmomi import vim

from steps.clients.vsphere import devices
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import NotFound

FLOPPY, CD = vim.vm.device.VirtualFloppy, vim.vm.device.VirtualCdrom


def insert_floppy(vm: Vm, path: str) -> None:
    """The VM's floppy drive holds the image at this datastore path."""
    drive = _drives(vm, FLOPPY)[0]
    _hold(vm, drive, devices.floppy_drive(drive.unitNumber or 0, drive.key, path))


def insert_cd(vm: Vm, path: str) -> None:
    """The VM's last CD drive holds the ISO at this datastore path; the first one is the installer's."""
    drive = _drives(vm, CD)[-1]
    _hold(vm, drive, devices.cd_drive(drive.unitNumber or 0, drive.controllerKey, drive.key, path))


def remove(vm: Vm) -> int:
    """The VM has no floppy and no CD drive any more; how many it had."""
    out = [devices.removal(each) for each in vm.devices() if isinstance(each, (FLOPPY, CD))]
    if out:
        vm.reconfigure(deviceChange=out)
    return len(out)


def _drives(vm: Vm, kind: Any) -> list[Any]:
    found = [each for each in vm.devices() if isinstance(each, kind)]
    if not found:
        what = "floppy" if kind is FLOPPY else "CD"
        raise NotFound(f"it has no {what} drive", where=vm.where, hint="somebody changed it; start the build again")
    return found


def _hold(vm: Vm, drive: Any, wanted: Any) -> None:
    if getattr(drive.backing, "fileName", "") != wanted.backing.fileName:
        drive.backing, drive.connectable = wanted.backing, wanted.connectable
        vm.reconfigure(deviceChange=[devices.edited(drive)])
