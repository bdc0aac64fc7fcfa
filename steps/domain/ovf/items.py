"""Hardware as items of the VirtualHardwareSection, in a stable order, each with its InstanceID.

The children of an item stand in alphabetical order, which the schema asks for.
"""

from dataclasses import dataclass, field

from steps.domain.ovf.hardware import Controller, ControllerKind, Hardware

CPU, MEMORY, IDE, SCSI, NIC, FLOPPY, CD, DISK, OTHER_STORAGE, USB, VIDEO = 3, 4, 5, 6, 10, 14, 15, 17, 20, 23, 24

CONTROLLERS: dict[ControllerKind, tuple[int, str, str]] = {  # resource type, subtype, what it is called
    "lsilogic": (SCSI, "lsilogic", "SCSI Controller"),
    "lsilogic-sas": (SCSI, "lsilogicsas", "SCSI Controller"),
    "pvscsi": (SCSI, "VirtualSCSI", "SCSI Controller"),
    "buslogic": (SCSI, "buslogic", "SCSI Controller"),
    "ide": (IDE, "", "IDE Controller"),
    "sata": (OTHER_STORAGE, "vmware.sata.ahci", "SATA Controller"),
    "nvme": (OTHER_STORAGE, "vmware.nvme.controller", "NVME Controller"),
}
NICS = {"vmxnet3": "VmxNet3", "e1000": "E1000", "e1000e": "E1000e"}


@dataclass(frozen=True)
class Item:
    """One item: its children by name, without their namespace; what vSphere alone understands apart."""

    values: dict[str, str]
    required: bool = True
    cores_per_socket: int = 0
    config: dict[str, str] = field(default_factory=dict)


def items(hardware: Hardware) -> list[Item]:
    """CPU, memory, controllers, video, USB, disks, CDs, floppies, network adapters."""
    return _Numbering(hardware).all()


class _Numbering:
    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware
        self.made: list[Item] = []

    def all(self) -> list[Item]:
        hardware = self.hardware
        self._add(
            CPU, f"{hardware.cpus} virtual CPU(s)", cores_per_socket=hardware.cores_per_socket,
            AllocationUnits="hertz * 10^6", Description="Number of Virtual CPUs", VirtualQuantity=str(hardware.cpus),
        )  # fmt: skip
        self._add(
            MEMORY, f"{hardware.memory_mib}MB of memory",
            AllocationUnits="byte * 2^20", Description="Memory Size", VirtualQuantity=str(hardware.memory_mib),
            Reservation=str(hardware.memory_reserved_mib) if hardware.memory_reserved_mib else "",
        )  # fmt: skip
        parents = {each.key: self._controller(each) for each in hardware.ordered_controllers}
        if hardware.video_kib:
            config = {"videoRamSizeInKB": str(hardware.video_kib)}
            self._add(VIDEO, "VirtualVideoCard", required=False, config=config, AutomaticAllocation="false")
        for bus, kind in enumerate(hardware.usb):
            subtype = f"vmware.usb.{kind}"
            self._add(USB, f"USB Controller {bus}", required=False, Address=str(bus), ResourceSubType=subtype)
        self._drives(parents)
        self._nics()
        return self.made

    def _add(
        self, kind: int, name: str, *, required: bool = True, cores_per_socket: int = 0,
        config: dict[str, str] | None = None, **values: str,
    ) -> str:  # fmt: skip
        """Add an item; its InstanceID."""
        number = str(len(self.made) + 1)
        values |= {"ElementName": name, "InstanceID": number, "ResourceType": str(kind)}
        ordered = {key: value for key, value in sorted(values.items()) if value}
        self.made.append(Item(ordered, required, cores_per_socket, config or {}))
        return number

    def _controller(self, controller: Controller) -> str:
        kind, subtype, name = CONTROLLERS[controller.kind]
        bus = str(controller.bus)
        return self._add(
            kind, f"{name} {bus}", Address=bus, Description=name, ResourceSubType=subtype,
        )  # fmt: skip

    def _drives(self, parents: dict[str, str]) -> None:
        for number, disk in enumerate(self.hardware.ordered_disks, 1):
            self._add(
                DISK, f"Hard Disk {number}", AddressOnParent=str(disk.unit),
                HostResource=f"ovf:/disk/vmdisk{number}", Parent=parents[disk.controller],
            )  # fmt: skip
        for number, cd in enumerate(self.hardware.cds, 1):
            self._add(
                CD, f"CD/DVD Drive {number}", required=False, AddressOnParent=str(cd.unit),
                AutomaticAllocation="false", Parent=parents[cd.controller],
                ResourceSubType="vmware.cdrom.remotepassthrough",
            )  # fmt: skip
        for number, floppy in enumerate(self.hardware.floppies, 1):
            self._add(
                FLOPPY, f"Floppy Drive {number}", required=False, AddressOnParent=str(floppy.unit),
                AutomaticAllocation="false", ResourceSubType="vmware.floppy.remotedevice",
            )  # fmt: skip

    def _nics(self) -> None:
        for number, nic in enumerate(self.hardware.nics, 1):
            subtype = NICS[nic.kind]
            self._add(
                NIC, f"Network adapter {number}", Address=nic.mac, AddressOnParent=str(6 + number),
                AutomaticAllocation=str(nic.connected).lower(), Connection=nic.network,
                Description=f"{subtype} ethernet adapter", ResourceSubType=subtype,
            )  # fmt: skip
