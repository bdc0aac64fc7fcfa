"""What is in an OVA, from its headers, its manifest and its descriptor alone: the disks are passed over."""

from steps.domain.errors import VerifyFailed
from steps.domain.host import Frozen
from steps.domain.ova.archive import Archive, Seekable
from steps.domain.ova.manifest import Line, read_manifest
from steps.domain.ovf.reading import ReadDescriptor, ReadSystem, read_descriptor
from steps.domain.ovf.xml import MAX_BYTES, BadXml

CPU, MEMORY, NIC, DISK = 3, 4, 10, 17


class FileSummary(Frozen):
    name: str
    size_bytes: int
    sha256: str  # as the manifest tells it, not checked; "" if it does not


class DiskSummary(Frozen):
    id: str
    file: str
    capacity_bytes: int | None
    populated_bytes: int | None


class NicSummary(Frozen):
    network: str
    kind: str


class PropertySummary(Frozen):
    key: str
    type: str
    default: str
    label: str
    user_configurable: bool


class MachineSummary(Frozen):
    name: str
    product: str
    vendor: str
    version: str
    full_version: str
    annotation: str
    eulas: int
    os_type: str
    hardware_version: str
    firmware: str
    secure_boot: bool
    cpus: int | None
    cores_per_socket: int | None
    memory_mib: int | None
    devices: tuple[str, ...]
    nics: tuple[NicSummary, ...]
    transports: tuple[str, ...]
    properties: tuple[PropertySummary, ...]
    extra_config: dict[str, str]


class OvaSummary(Frozen):
    files: tuple[FileSummary, ...]
    disks: tuple[DiskSummary, ...]
    networks: tuple[str, ...]
    machines: tuple[MachineSummary, ...]


def summarize(file: Seekable) -> OvaSummary:
    """Look into an OVA, from where the file stands; VerifyFailed if it has no descriptor that can be read."""
    archive = Archive(file)
    sizes: dict[str, int] = {}
    descriptor: ReadDescriptor | None = None
    lines: list[Line] = []
    for member, _ in archive.members():
        sizes.setdefault(member.name, member.size_bytes)
        small = member.size_bytes <= MAX_BYTES
        if small and member.name.lower().endswith(".ovf") and descriptor is None:
            descriptor = _descriptor(member.name, b"".join(archive.content()))
        elif small and member.name.lower().endswith(".mf"):
            lines = read_manifest(b"".join(archive.content()).decode("utf-8", "replace"))[0]
        else:
            archive.pass_over(file)
    if descriptor is None:
        what = archive.faults[0].message if archive.faults else "it has no descriptor (.ovf)"
        raise VerifyFailed(f"no OVA: {what}", hint="`hera ova verify` tells everything that is wrong with it")
    sums = {line.file: line.digest for line in lines if line.algorithm == "sha256"}
    names = {each.id: each.name for each in descriptor.files}
    return OvaSummary(
        files=tuple(FileSummary(name=name, size_bytes=s, sha256=sums.get(name, "")) for name, s in sizes.items()),
        disks=tuple(
            DiskSummary(
                id=disk.id,
                file=names.get(disk.file_id, ""),
                capacity_bytes=disk.capacity_bytes,
                populated_bytes=disk.populated_bytes,
            )
            for disk in descriptor.disks
        ),
        networks=descriptor.networks,
        machines=tuple(map(_machine, descriptor.systems)),
    )


def _descriptor(name: str, data: bytes) -> ReadDescriptor:
    try:
        return read_descriptor(data)
    except BadXml as error:
        hint = "`hera ova verify` tells everything that is wrong with it"
        raise VerifyFailed(f"{name[:80]}:{error.line}: {error}", hint=hint) from error


def _machine(system: ReadSystem) -> MachineSummary:
    by_kind = {item.kind: item for item in reversed(system.items)}
    cpu, memory = by_kind.get(CPU), by_kind.get(MEMORY)
    devices = [item for item in system.items if item.kind not in (CPU, MEMORY, NIC, DISK)]
    return MachineSummary(
        name=system.name or system.id,
        product=system.product,
        vendor=system.vendor,
        version=system.version,
        full_version=system.full_version,
        annotation=system.annotation,
        eulas=system.eulas,
        os_type=system.os_type or system.os_id,
        hardware_version=system.hardware_version,
        firmware=system.config.get("firmware", "bios"),
        secure_boot=system.config.get("bootOptions.efiSecureBootEnabled", "").lower() == "true",
        cpus=cpu.quantity if cpu else None,
        cores_per_socket=cpu.cores_per_socket if cpu else None,
        memory_mib=memory.quantity if memory else None,
        devices=tuple(f"{item.name} ({item.subtype})" if item.subtype else item.name for item in devices),
        nics=tuple(
            NicSummary(network=", ".join(item.connection), kind=item.subtype)
            for item in system.items
            if item.kind == NIC
        ),
        transports=system.transports,
        properties=tuple(PropertySummary(**vars(each)) for each in system.properties),
        extra_config=system.extra_config,
    )
