"""A virtual machine's hardware as it was built, in the terms of OVF."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from steps.domain.host import Frozen
from steps.domain.ovf.text import Text

Firmware = Literal["bios", "efi", "efi-secure"]
ControllerKind = Literal["lsilogic", "lsilogic-sas", "pvscsi", "buslogic", "ide", "sata", "nvme"]
Family = Literal["scsi", "ide", "sata", "nvme"]

FAMILIES: tuple[Family, ...] = ("scsi", "ide", "sata", "nvme")  # in this order they stand in the descriptor
SLOTS: dict[Family, int] = {"scsi": 16, "ide": 2, "sata": 30, "nvme": 15}
BUSES: dict[Family, int] = {"scsi": 4, "ide": 2, "sata": 4, "nvme": 4}


class Controller(Frozen):
    """A disk controller; `key` is how disks and CD drives name it, e.g. "scsi0"."""

    kind: ControllerKind
    bus: int = Field(0, ge=0)

    @property
    def family(self) -> Family:
        return self.kind if self.kind in ("ide", "sata", "nvme") else "scsi"

    @property
    def key(self) -> str:
        return f"{self.family}{self.bus}"


class Disk(Frozen):
    """A disk. `id` names it between steps; in the descriptor and the archive they are numbered."""

    id: str
    capacity_bytes: int = Field(gt=0, multiple_of=512)
    controller: str
    unit: int = Field(ge=0)


class CdDrive(Frozen):
    controller: str
    unit: int = Field(ge=0)


class Floppy(Frozen):
    unit: int = Field(0, ge=0, le=1)


class Nic(Frozen):
    """A network adapter. Its MAC is left to the importer unless it is given."""

    network: Text
    kind: Literal["vmxnet3", "e1000", "e1000e"] = "vmxnet3"
    mac: Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})?$")] = ""
    connected: bool = True


class Hardware(Frozen):
    """Everything plugged in. ValueError names what is plugged into nothing, or where something is already."""

    version: Annotated[str, StringConstraints(pattern=r"^vmx-\d{2}$")]  # vmx-14
    cpus: int = Field(ge=1)
    cores_per_socket: int = Field(1, ge=1)
    memory_mib: int = Field(ge=4, multiple_of=4)
    memory_reserved_mib: int = Field(0, ge=0)
    firmware: Firmware = "bios"
    controllers: tuple[Controller, ...]
    disks: tuple[Disk, ...] = Field(min_length=1)
    nics: tuple[Nic, ...] = ()
    cds: tuple[CdDrive, ...] = ()
    floppies: tuple[Floppy, ...] = ()
    usb: tuple[Literal["ehci", "xhci"], ...] = ()
    video_kib: int = Field(4096, ge=0)  # 0: whatever the importer gives

    @property
    def ordered_controllers(self) -> tuple[Controller, ...]:
        return tuple(sorted(self.controllers, key=lambda each: (FAMILIES.index(each.family), each.bus)))

    @property
    def ordered_disks(self) -> tuple[Disk, ...]:
        """By controller, then by unit: the order of the descriptor and of the archive."""
        order = [each.key for each in self.ordered_controllers]
        return tuple(sorted(self.disks, key=lambda disk: (order.index(disk.controller), disk.unit)))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.cpus % self.cores_per_socket:
            raise ValueError(f"{self.cpus} CPUs cannot be in sockets of {self.cores_per_socket} cores")
        controllers = {each.key: each for each in self.controllers}
        if len(controllers) != len(self.controllers):
            raise ValueError("two controllers have the same bus")
        for each in self.controllers:
            if each.bus >= BUSES[each.family]:
                raise ValueError(f"{each.key}: there are {BUSES[each.family]} buses of its kind at the most")
        if len({disk.id for disk in self.disks}) != len(self.disks):
            raise ValueError("two disks have the same id")
        self._check_units(controllers)
        return self

    def _check_units(self, controllers: dict[str, Controller]) -> None:
        taken: set[tuple[str, int]] = set()
        drives: tuple[Disk | CdDrive, ...] = (*self.disks, *self.cds)
        for each in drives:
            if each.controller not in controllers:
                raise ValueError(f"{each.controller}: there is no such controller")
            family = controllers[each.controller].family
            place = (each.controller, each.unit)
            if each.unit >= SLOTS[family] or (family == "scsi" and each.unit == 7):  # 7 is the controller itself
                raise ValueError(f"{each.controller} has no unit {each.unit}")
            if place in taken:
                raise ValueError(f"unit {each.unit} of {each.controller} is taken twice")
            taken.add(place)
        if len({floppy.unit for floppy in self.floppies}) != len(self.floppies):
            raise ValueError("two floppies are in the same unit")
