"""A VM's console: keys typed at it, and what its screen shows."""

from contextlib import suppress
from typing import Any, cast

from pyVmomi import vim

from steps.clients.vsphere import files
from steps.clients.vsphere.faults import translated
from steps.clients.vsphere.inventory import Site
from steps.clients.vsphere.machines import Vm
from steps.domain.bootcommand import Batch
from steps.domain.errors import HerasphereError, Unavailable

SCAN_CODES: Any = cast(Any, vim).UsbScanCodeSpec  # which pyvmomi's type stubs forgot


def press(vm: Vm, batch: Batch) -> None:
    """The batch's keys were pressed and let go; Unavailable if the VM took less of them than there are."""
    events = [
        SCAN_CODES.KeyEvent(
            usbHidCode=event.usb_hid_code,
            modifiers=SCAN_CODES.ModifierType(**dict.fromkeys(event.modifiers, True)),
        )
        for event in batch.events
    ]
    with translated(vm.where):
        taken = int(vm.object.PutUsbScanCodes(SCAN_CODES(keyEvents=events)))
    if taken != len(events):
        what = f"the console took {taken} of {len(events)} keys"
        raise Unavailable(what, where=vm.where, hint="the VM is reset and typed at from the start")


def picture(site: Site, vm: Vm) -> bytes:
    """What the VM's screen shows now, a PNG; nothing of it stays in the datastore."""
    with translated(vm.where):
        path = files.file_of(site, str(vm.finish(vm.object.CreateScreenshot_Task())))
    try:
        with files.fetched(site, path) as pieces:
            return b"".join(pieces)
    finally:
        with suppress(HerasphereError):
            files.remove(site, path)
