"""Appliances, disks and archives for tests: VMDKs as qemu-img makes them and as vSphere's export does."""

import hashlib
import io
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

from steps.domain.ova import FileTarget, OvaWriter, WrittenOva
from steps.domain.ovf import Appliance, CdDrive, Controller, Disk, Floppy, Hardware, Network, Nic, OperatingSystem

from steps.domain.ovf import Product, Property, Setting  # isort: skip

SECTOR, GRAIN = 512, 65536
MIB = 2**20


def hardware(*capacities: int, **changes: Any) -> Hardware:
    """A machine with a disk of each capacity, at one controller."""
    disks = tuple(
        Disk(id=f"d{number}", capacity_bytes=capacity, controller="scsi0", unit=number)
        for number, capacity in enumerate(capacities or (8 * MIB,))
    )
    values: dict[str, Any] = {
        "version": "vmx-14",
        "cpus": 2,
        "memory_mib": 4096,
        "controllers": (Controller(kind="lsilogic"),),
        "disks": disks,
        "nics": (Nic(network="VM Network", kind="e1000"),),
    }
    return Hardware(**(values | changes))


def appliance(*capacities: int, name: str = "box", **changes: Any) -> Appliance:
    values: dict[str, Any] = {
        "name": name,
        "networks": (Network(name="VM Network"),),
        "hardware": hardware(*capacities),
        "operating_system": OperatingSystem(guest_id="centos7_64Guest"),
    }
    return Appliance(**(values | changes))


def everything() -> Appliance:
    """One of each, with text that needs escaping."""
    made = hardware(
        cpus=4,
        cores_per_socket=2,
        memory_reserved_mib=1024,
        firmware="efi-secure",
        version="vmx-21",
        controllers=(
            Controller(kind="nvme"),
            Controller(kind="ide", bus=1),
            Controller(kind="pvscsi", bus=1),
            Controller(kind="sata"),
            Controller(kind="lsilogic-sas"),
            Controller(kind="ide"),
        ),
        disks=(
            Disk(id="fast", capacity_bytes=4 * MIB, controller="nvme0", unit=0),
            Disk(id="data", capacity_bytes=3 * 2**30, controller="scsi1", unit=8),
            Disk(id="system", capacity_bytes=64 * 2**30, controller="scsi0", unit=0),
            Disk(id="odd", capacity_bytes=1536, controller="scsi0", unit=1),
        ),
        nics=(
            Nic(network="R&D <lab>"),
            Nic(network="VM Network", kind="e1000e", mac="00:50:56:01:02:03", connected=False),
        ),
        cds=(CdDrive(controller="sata0", unit=0), CdDrive(controller="ide1", unit=0)),
        floppies=(Floppy(),),
        usb=("ehci", "xhci"),
        video_kib=16384,
    )  # fmt: skip
    properties = (
        Property(key="ip", vmware_qualifiers="Ip", label="IP address", category="Network", description="empty: DHCP"),
        Property(key="mode", default="static", qualifiers='ValueMap{"dhcp", "static"}', category="Network"),
        Property(key="motd", default="a \"b\" 'c' <d> & e\nf"),
        Property(key="prefix", type="uint8", default="24", category="Network"),
        Property(key="size", type="uint32"),
        Property(key="ssh", type="boolean", default="true", user_configurable=False),
        Property(key="password", password=True, qualifiers="MinLen(8)"),
    )
    return Appliance(
        name="k3s-photon-5_v1.2.3",
        networks=(Network(name="R&D <lab>", description='"quoted"'), Network(name="VM Network")),
        hardware=made,
        operating_system=OperatingSystem(guest_id="vmwarePhoton64Guest", version="5", description="Photon 5 & more"),
        product=Product(
            name="k3s",
            vendor="Example, Größe & Söhne",
            version="1.2.3",
            full_version="1.2.3+git.abc",
            product_url="https://example.com/?a=1&b=2",
            vendor_url="https://example.com",
            app_url="http://${ip}/",
            class_id="com.example",
            instance_id="1",
            properties=properties,
        ),
        annotation="first line\r\nsecond ]]> line",
        eulas=("1. You <agree>.\n\n  2. & so do we.", "Another"),
        transports=("com.vmware.guestInfo", "iso"),
        config=(Setting(key="cpuHotAddEnabled", value="true"),),
        extra_config=(Setting(key="disk.EnableUUID", value="TRUE"), Setting(key="guestinfo.x", value="<&>")),
    )


def qemu_vmdk(folder: Path, raw: bytes, name: str = "disk") -> bytes:
    """The disk as `qemu-img convert` writes it: its tables in front."""
    source, made = folder / f"{name}.raw", folder / f"{name}.vmdk"
    source.write_bytes(raw)
    options = "subformat=streamOptimized,adapter_type=lsilogic,hwversion=14"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", options, source, made], check=True)
    return made.read_bytes()


def qemu_raw(folder: Path, vmdk: bytes, name: str = "back") -> bytes:
    """What `qemu-img convert` reads out of a VMDK."""
    source, made = folder / f"{name}.vmdk", folder / f"{name}.out"
    source.write_bytes(vmdk)
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", source, made], check=True)
    return made.read_bytes()


def marker(value: int, kind: int) -> bytes:
    return struct.pack("<QII", value, 0, kind).ljust(SECTOR, b"\0")


def vmdk_header(capacity: int, directory: int, *, version: int = 3) -> bytes:
    """A header as ESXi's export writes it; sizes in sectors."""
    flags, none = 0x30001, 0
    fields = (0x564D444B, version, flags, capacity, 128, 1, 20, 512, none, directory, 128, 0, b"\n \r\n", 1)
    return struct.pack("<IIIQQQQIQQQB4sH", *fields).ljust(SECTOR, b"\0")


def vsphere_vmdk(raw: bytes) -> bytes:
    """The disk as vSphere's export lease delivers it: tables behind their grains, directory and footer at the end."""
    capacity = len(raw) // SECTOR
    text = f"""# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="streamOptimized"

RDONLY {capacity} SPARSE "generated-stream.vmdk"

ddb.adapterType = "lsilogic"
"""
    out = bytearray(vmdk_header(capacity, 2**64 - 1) + text.encode().ljust(20 * SECTOR, b"\0"))
    out += bytes(128 * SECTOR - len(out))
    directory: list[int] = []
    for start in range(0, len(raw), 512 * GRAIN):
        entries = [0] * 512
        for place, at in enumerate(range(start, min(len(raw), start + 512 * GRAIN), GRAIN)):
            grain = raw[at : at + GRAIN].ljust(GRAIN, b"\0")
            if any(grain):
                entries[place] = len(out) // SECTOR
                packed = zlib.compress(grain, 1)
                out += struct.pack("<QI", at // SECTOR, len(packed)) + packed
                out += bytes(-len(out) % SECTOR)
        if any(entries):
            out += marker(4, 1)
            directory.append(len(out) // SECTOR)
            out += struct.pack("<512I", *entries)
        else:
            directory.append(0)
    out += marker(-(-len(directory) * 4 // SECTOR), 2)
    at_sector = len(out) // SECTOR
    out += struct.pack(f"<{len(directory)}I", *directory)
    out += bytes(-len(out) % SECTOR)
    out += marker(1, 3) + vmdk_header(capacity, at_sector) + bytes(SECTOR)
    return bytes(out)


def pattern(size: int, *, seed: int = 1) -> bytes:
    """Bytes with holes: some grains that cannot be compressed, some that can, some zero."""
    parts = []
    for number in range(-(-size // GRAIN)):
        kind = (number * 7 + seed) % 5
        block = hashlib.shake_128(f"{seed}/{number}".encode()).digest(GRAIN) if kind == 0 else bytes([kind % 3]) * GRAIN
        parts.append(block)
    return b"".join(parts)[:size]


def ova(made: Appliance, disks: dict[str, bytes], *, chunk: int = 100_000) -> tuple[bytes, WrittenOva]:
    """The archive of an appliance and its disks."""
    file = io.BytesIO()
    writer = OvaWriter(FileTarget(file), made)
    for disk_id, data in disks.items():
        with writer.disk(disk_id) as disk:
            for start in range(0, len(data), chunk):
                disk.write(data[start : start + chunk])
    written = writer.finish()
    return file.getvalue(), written
