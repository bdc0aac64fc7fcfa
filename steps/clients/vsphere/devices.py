"""Hardware as vSphere's device specifications, and back."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyVmomi import vim

from steps.domain.image.plan import Machine, Provisioning
from steps.domain.ovf import CdDrive, Controller, Disk, Floppy, Hardware, Nic

Device = vim.vm.device
CONTROLLERS = {
    "lsilogic": Device.VirtualLsiLogicController,
    "lsilogic-sas": Device.VirtualLsiLogicSASController,
    "pvscsi": Device.ParaVirtualSCSIController,
    "buslogic": Device.VirtualBusLogicController,
    "ide": Device.VirtualIDEController,
    "sata": Device.VirtualAHCIController,
    "nvme": Device.VirtualNVMEController,
}
NICS = {"vmxnet3": Device.VirtualVmxnet3, "e1000": Device.VirtualE1000, "e1000e": Device.VirtualE1000e}
FIRST_IDE_KEY = 200  # every VM has two IDE controllers by itself
SHARED = Device.VirtualSCSIController.Sharing
ADD = Device.VirtualDeviceSpec.Operation.add
REMOVE = Device.VirtualDeviceSpec.Operation.remove
EDIT = Device.VirtualDeviceSpec.Operation.edit
CREATE = Device.VirtualDeviceSpec.FileOperation.create
DESTROY = Device.VirtualDeviceSpec.FileOperation.destroy


def changes(machine: Machine, networks: dict[str, Any], media: Sequence[str], floppy: str) -> list[Any]:
    """What makes the machine's devices.

    networks: the object of each network's name
    media:    a datastore path for each CD drive, in their order; "" for an empty drive
    floppy:   the path of the floppy image; "" for none
    """
    hardware = machine.hardware
    made: list[Any] = []
    keys: dict[str, int] = {}
    for number, controller in enumerate(hardware.ordered_controllers):
        if controller.kind == "ide":
            keys[controller.key] = FIRST_IDE_KEY + controller.bus
            continue
        keys[controller.key] = -100 - number
        made.append(_change(_controller(controller, keys[controller.key])))
    for number, disk in enumerate(hardware.disks):
        kind = machine.provisioning[number]
        made.append(_change(_disk(disk, keys[disk.controller], -300 - number, kind), file=CREATE))
    for number, cd in enumerate(hardware.cds):
        made.append(_change(cd_drive(cd.unit, keys[cd.controller], -400 - number, media[number])))
    for number, each in enumerate(hardware.floppies):
        made.append(_change(floppy_drive(each.unit, -500 - number, floppy)))
    for number, nic in enumerate(hardware.nics):
        made.append(_change(_nic(nic, -600 - number, networks[nic.network])))
    for number, usb in enumerate(hardware.usb):
        kind_of_usb = Device.VirtualUSBXHCIController if usb == "xhci" else Device.VirtualUSBController
        made.append(_change(kind_of_usb(key=-700 - number, autoConnectDevices=False)))
    return made


def cd_drive(unit: int, controller_key: int, key: int, path: str) -> Any:
    """A CD drive with the ISO at this path in it, or empty."""
    backing = (
        Device.VirtualCdrom.IsoBackingInfo(fileName=path)
        if path
        else Device.VirtualCdrom.RemotePassthroughBackingInfo(deviceName="", exclusive=False)
    )
    return Device.VirtualCdrom(
        key=key, controllerKey=controller_key, unitNumber=unit, backing=backing, connectable=_connected(bool(path))
    )


def floppy_drive(unit: int, key: int, path: str) -> Any:
    """A floppy drive with the image at this path in it, or empty."""
    backing = (
        Device.VirtualFloppy.ImageBackingInfo(fileName=path)
        if path
        else Device.VirtualFloppy.RemoteDeviceBackingInfo(deviceName="")
    )
    return Device.VirtualFloppy(key=key, unitNumber=unit, backing=backing, connectable=_connected(bool(path)))


def removal(device: Any) -> Any:
    """What takes this device out."""
    return _change(device, operation=REMOVE)


def edited(device: Any) -> Any:
    """What changes this device to what it is now."""
    return _change(device, operation=EDIT)


def _change(device: Any, *, operation: Any = ADD, file: Any = None) -> Any:
    spec = Device.VirtualDeviceSpec(operation=operation, device=device)
    if file is not None:
        spec.fileOperation = file
    return spec


def _connected(is_connected: bool) -> Any:
    return Device.VirtualDevice.ConnectInfo(startConnected=is_connected, connected=is_connected, allowGuestControl=True)


def _controller(controller: Controller, key: int) -> Any:
    made = CONTROLLERS[controller.kind](key=key, busNumber=controller.bus)
    if controller.family == "scsi":
        made.sharedBus = SHARED.noSharing
    return made


def _disk(disk: Disk, controller_key: int, key: int, kind: Provisioning) -> Any:
    backing = Device.VirtualDisk.FlatVer2BackingInfo(
        fileName="", diskMode="persistent", thinProvisioned=kind == "thin", eagerlyScrub=kind == "eager"
    )
    return Device.VirtualDisk(
        key=key,
        controllerKey=controller_key,
        unitNumber=disk.unit,
        capacityInKB=disk.capacity_bytes // 1024,
        backing=backing,
    )


def _nic(nic: Nic, key: int, network: Any) -> Any:
    made = NICS[nic.kind](key=key, backing=nic_backing(network, nic.network), connectable=_connected(nic.connected))
    made.addressType = "manual" if nic.mac else "assigned"
    if nic.mac:
        made.macAddress = nic.mac
    return made


def nic_backing(network: Any, name: str) -> Any:
    """What connects a NIC with a network, or with a port group that is described by (switch uuid, key)."""
    if isinstance(network, tuple):
        uuid, key = network
        port = vim.dvs.PortConnection(switchUuid=uuid, portgroupKey=key)
        return Device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    return Device.VirtualEthernetCard.NetworkBackingInfo(deviceName=name, network=network)


def hardware_of(values: dict[str, Any], network_of: Callable[[Any], str], *, keep_cds: bool = True) -> Hardware:
    """The hardware a VM has, from its properties config.hardware, config.version and config.firmware.

    network_of: the name of the network that a NIC's backing means
    """
    devices = list(values["config.hardware.device"])
    keys = {device.key: device for device in devices}
    controllers = {
        key: Controller(kind=kind, bus=device.busNumber)
        for key, device in keys.items()
        if (kind := _kind(device)) is not None
    }
    used = {device.controllerKey for device in devices if isinstance(device, Device.VirtualDisk | Device.VirtualCdrom)}
    memory = values["config.hardware.memoryMB"]
    return Hardware(
        version=values["config.version"],
        cpus=values["config.hardware.numCPU"],
        cores_per_socket=values["config.hardware.numCoresPerSocket"] or 1,
        memory_mib=memory,
        memory_reserved_mib=min(memory, values.get("config.memoryAllocation.reservation") or 0),
        firmware=_firmware(values),
        controllers=tuple(each for key, each in controllers.items() if key in used or each.kind != "ide"),
        disks=tuple(_disks(devices, controllers)),
        nics=tuple(_nics(devices, network_of)),
        cds=tuple(
            CdDrive(controller=controllers[each.controllerKey].key, unit=each.unitNumber)
            for each in devices
            if keep_cds and isinstance(each, Device.VirtualCdrom) and each.controllerKey in controllers
        ),
        floppies=tuple(Floppy(unit=each.unitNumber or 0) for each in devices if isinstance(each, Device.VirtualFloppy)),
        usb=tuple(_usb(devices)),
        video_kib=next((d.videoRamSizeInKB or 0 for d in devices if isinstance(d, Device.VirtualVideoCard)), 0),
    )


def _kind(device: Any) -> Any:
    return next((kind for kind, made in CONTROLLERS.items() if type(device) is made), None)


def _firmware(values: dict[str, Any]) -> Any:
    if values["config.firmware"] != "efi":
        return "bios"
    return "efi-secure" if values.get("config.bootOptions.efiSecureBootEnabled") else "efi"


def _disks(devices: Sequence[Any], controllers: dict[int, Controller]) -> Iterator[Disk]:
    for device in devices:
        if isinstance(device, Device.VirtualDisk) and device.controllerKey in controllers:
            size = getattr(device, "capacityInBytes", None) or device.capacityInKB * 1024
            owner = controllers[device.controllerKey].key
            yield Disk(id=str(device.key), capacity_bytes=size, controller=owner, unit=device.unitNumber)


def _nics(devices: Sequence[Any], network_of: Callable[[Any], str]) -> Iterator[Nic]:
    kinds = {made: kind for kind, made in NICS.items()}
    for device in devices:
        if isinstance(device, Device.VirtualEthernetCard):
            yield Nic(network=network_of(device.backing), kind=kinds.get(type(device), "e1000"))


def _usb(devices: Sequence[Any]) -> Iterator[Any]:
    for device in devices:
        if isinstance(device, Device.VirtualUSBXHCIController):
            yield "xhci"
        elif isinstance(device, Device.VirtualUSBController):
            yield "ehci"
