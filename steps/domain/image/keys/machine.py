"""The virtual machine's hardware."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from steps.domain.image.values import Firmware, GuestId, HardwareVersion, Lines, NicKind, VmName
from steps.domain.ovf.hardware import ControllerKind
from steps.domain.table import Entry
from steps.domain.table_values import wrong

CONTROLLERS: dict[str, ControllerKind] = {
    "lsilogic": "lsilogic",
    "lsilogic-sas": "lsilogic-sas",
    "lsisas1068": "lsilogic-sas",
    "pvscsi": "pvscsi",
    "buslogic": "buslogic",
    "ide": "ide",
    "sata": "sata",
    "nvme": "nvme",
}
DISK_TYPES = ("thin", "thick", "eager")


def _controller(value: object) -> object:
    if isinstance(value, str) and value.lower() in CONTROLLERS:
        return CONTROLLERS[value.lower()]
    raise wrong(f"there is no disk controller {value!r}", "one of " + ", ".join(CONTROLLERS))


def _disk_type(value: object) -> object:
    if value in DISK_TYPES:
        return value
    hint = "thin, thick or eager; the numbers are VMware Workstation's and mean nothing to vSphere"
    raise wrong(f"there is no disk type {value!r} on vSphere", hint)


ControllerName = Annotated[ControllerKind, BeforeValidator(_controller)]
UsbKind = Literal["ehci", "xhci"]
DiskType = Annotated[Literal["thin", "thick", "eager"], BeforeValidator(_disk_type)]


class DiskEntry(Entry):
    size: Annotated[int, Field(ge=1, le=62 * 2**20)] = Field(description="MiB")
    controller: int = Field(0, ge=0, description="which of disk_controller_type, from 0")
    thin: bool | None = Field(None, description="default: as disk_thin_provisioned and disk_type_id say")


class NicEntry(Entry):
    network: str = Field(description="network or port group")
    card: NicKind = Field("vmxnet3", description="kind of the NIC")
    mac: str = Field("", description="MAC address; default: vSphere gives one")


class MachineKeys(Entry):
    name: VmName | None = Field(None, description="of the VM; default: build_name")
    guest_os_type: GuestId | None = Field(None, description="vSphere's guest id: centos7_64Guest")
    vmx_version: HardwareVersion = Field("vmx-14", description="hardware version")
    firmware: Firmware = Field("bios", description="efi-secure: EFI with Secure Boot")
    cpu: Annotated[int, Field(ge=1, le=768)] = Field(2, description="virtual CPUs")
    cpu_cores: Annotated[int, Field(ge=1, le=768)] = Field(1, description="cores per socket")
    memory: Annotated[int, Field(ge=4, le=24 * 2**20, multiple_of=4)] = Field(2048, description="MiB")
    memory_reserved: bool = Field(False, description="reserve all of it")
    cpu_hot_add: bool = Field(False, description="CPUs may be added while it runs")
    memory_hot_add: bool = Field(False, description="memory may be added while it runs")
    nested_hv: bool = Field(False, description="hardware virtualization in the guest")
    disk_controller_type: Annotated[
        tuple[ControllerName, ...],
        BeforeValidator(lambda value: _words(value), ControllerKind | tuple[ControllerKind, ...]),
    ] = Field(("lsilogic",), description="one, or several in their order")
    disk_size: Annotated[int, Field(ge=1, le=62 * 2**20)] = Field(40960, description="MiB, of the first disk")
    disk_thin_provisioned: bool | None = Field(
        None, description="of disks that do not say it themselves; default: true"
    )
    disk_type_id: DiskType | None = Field(None, description="thin, thick (zeroed later) or eager")
    disks: tuple[DiskEntry, ...] = Field((), description="in the place of disk_size: several, in their order")
    network_card: NicKind = Field("vmxnet3", description="kind of the first NIC")
    networks: tuple[NicEntry, ...] = Field((), description="in the place of network: several NICs, in their order")
    usb: Annotated[tuple[UsbKind, ...], BeforeValidator(lambda value: _words(value), UsbKind | tuple[UsbKind, ...])] = (
        Field(("ehci",), description="USB controllers; keys are typed without one too")
    )
    video_ram: int = Field(8192, ge=1024, le=262144, description="KiB")
    notes: str = Field("", max_length=8192, description="of the VM")
    extra_config: dict[str, str] = Field({}, description="as in the .vmx file")
    tags: Lines = Field((), description="vSphere tags as CATEGORY/TAG; they must exist")
    custom_attributes: dict[str, str] = Field({}, description="made if they do not exist")


def _words(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
