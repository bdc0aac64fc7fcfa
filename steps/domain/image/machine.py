"""The virtual machine of a build, as the settings describe it."""

from collections.abc import Iterator

from pydantic import ValidationError

from steps.domain.image.checks import Checks
from steps.domain.image.keys.machine import DiskEntry, NicEntry
from steps.domain.image.plan import Machine, Provisioning
from steps.domain.image.settings import Settings
from steps.domain.ovf import CdDrive, Controller, Disk, Floppy, Hardware, Nic
from steps.domain.ovf.hardware import SLOTS, ControllerKind

MIB = 2**20
SCSI_SELF = 7  # the unit a SCSI controller has itself
CD_CONTROLLER = Controller(kind="ide", bus=0)


def machine(check: Checks, *, cds: int, floppy: bool) -> Machine | None:
    """The VM with so many CD drives; None when its values do not fit together, which is a fault then."""
    settings = check.settings
    check.need("guest_os_type", "vSphere's guest id: centos7_64Guest, rhel9_64Guest, vmwarePhoton64Guest")
    disks = settings.disks or (DiskEntry(size=settings.disk_size, controller=0),)
    given_nics = nics(settings)
    if not given_nics:
        check.fault("network", "network is missing", "the network or port group of the VM's NIC")
    controllers = tuple(_controllers(settings.disk_controller_type))
    try:
        hardware = Hardware(
            version=settings.vmx_version,
            cpus=settings.cpu,
            cores_per_socket=settings.cpu_cores,
            memory_mib=settings.memory,
            memory_reserved_mib=settings.memory if settings.memory_reserved else 0,
            firmware=settings.firmware,
            controllers=(*controllers, *([CD_CONTROLLER] if CD_CONTROLLER not in controllers else [])),
            disks=tuple(_disks(check, controllers, disks)),
            nics=tuple(Nic(network=each.network, kind=each.card, mac=each.mac) for each in given_nics),
            cds=tuple(CdDrive(controller=CD_CONTROLLER.key, unit=unit) for unit in _cd_units(controllers, disks, cds)),
            floppies=(Floppy(),) if floppy else (),
            usb=settings.usb,
            video_kib=settings.video_ram,
        )
    except ValidationError as error:
        for each in error.errors(include_url=False):
            message = str(each["msg"]).removeprefix("Value error, ")
            check.fault("cpu" if "CPU" in message else "disk_controller_type", message, "see docs/image-settings.md")
        return None
    return Machine(
        guest_id=settings.guest_os_type or "",
        hardware=hardware,
        provisioning=tuple(_provisioning(check, disks)),
        notes=settings.notes,
        extra_config=settings.extra_config,
        nested_hv=settings.nested_hv,
        cpu_hot_add=settings.cpu_hot_add,
        memory_hot_add=settings.memory_hot_add,
    )


def nics(settings: Settings) -> tuple[NicEntry, ...]:
    """The VM's NICs as the settings have them: networks, or the one of network."""
    named = [settings.network] if settings.network else []
    return settings.networks or tuple(NicEntry(network=name, card=settings.network_card) for name in named)


def _controllers(kinds: tuple[ControllerKind, ...]) -> Iterator[Controller]:
    """Numbered by their kind of bus, in the order given."""
    buses: dict[str, int] = {}
    for kind in kinds:
        family = Controller(kind=kind).family
        yield Controller(kind=kind, bus=buses.get(family, 0))
        buses[family] = buses.get(family, 0) + 1


def _disks(check: Checks, controllers: tuple[Controller, ...], disks: tuple[DiskEntry, ...]) -> Iterator[Disk]:
    """Each disk at the next unit of its controller: their order stays the same however often they are made."""
    units: dict[int, int] = {}
    for index, disk in enumerate(disks):
        if disk.controller >= len(controllers):
            there = f"disk_controller_type names {len(controllers)}, counted from 0"
            check.fault(("disks", index, "controller"), f"there is no controller {disk.controller}", there)
            continue
        controller = controllers[disk.controller]
        unit = units.get(disk.controller, 0)
        if controller.family == "scsi" and unit == SCSI_SELF:
            unit += 1
        units[disk.controller] = unit + 1
        if unit >= SLOTS[controller.family]:
            check.fault(("disks", index), f"{controller.key} is full", "put it at another controller")
            continue
        yield Disk(id=f"disk{index + 1}", capacity_bytes=disk.size * MIB, controller=controller.key, unit=unit)


def _cd_units(controllers: tuple[Controller, ...], disks: tuple[DiskEntry, ...], count: int) -> Iterator[int]:
    """Units of the first IDE controller that no disk has."""
    ide = [index for index, each in enumerate(controllers) if each == CD_CONTROLLER]
    taken = sum(disk.controller in ide for disk in disks)
    yield from range(taken, taken + count)


def _provisioning(check: Checks, disks: tuple[DiskEntry, ...]) -> Iterator[Provisioning]:
    settings = check.settings
    kind = settings.disk_type_id
    thin = settings.disk_thin_provisioned
    if kind and thin is not None and thin != (kind == "thin"):
        check.fault("disk_type_id", f"disks are {kind} and thin at once", "leave out disk_thin_provisioned")
    default: Provisioning = kind or ("thick" if thin is False else "thin")
    for disk in disks:
        yield default if disk.thin is None else "thin" if disk.thin else "thick"
