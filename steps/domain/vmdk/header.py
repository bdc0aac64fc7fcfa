"""The header of a sparse VMDK extent, and the text that stands behind it.

After VMware's "Virtual Disk Format 5.0" (SparseExtentHeader, all little-endian) and what ESXi and qemu-img write.
"""

import re
import struct
from dataclasses import dataclass

SECTOR = 512
MAGIC = 0x564D444B  # "KDMV" on the disk
GD_AT_END = 0xFFFF_FFFF_FFFF_FFFF
COMPRESSED, MARKERS = 1 << 16, 1 << 17
DEFLATE = 1
MOST_CAPACITY_SECTORS = 62 * 2**40 // SECTOR  # vSphere's largest disk
MOST_GRAIN_SECTORS = 2048
TABLE_ENTRIES = 512
MOST_TABLES = 2**22  # of 62 TiB in grains of 64 KiB it is half of that

_LAYOUT = struct.Struct("<IIIQQQQIQQQB4sH")


@dataclass(frozen=True)
class Header:
    """Sizes and places in sectors."""

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor: int
    descriptor_sectors: int
    table_entries: int
    directory: int  # GD_AT_END: its place is in the footer
    overhead: int
    clean: bool
    line_ends: bytes
    compression: int

    @property
    def grains(self) -> int:
        return -(-self.capacity // self.grain)

    @property
    def tables(self) -> int:
        return -(-self.grains // TABLE_ENTRIES)

    @property
    def grain_bytes(self) -> int:
        return self.grain * SECTOR


def read_header(data: bytes) -> Header | None:
    """The header in this sector; None if it is no sparse extent's."""
    magic, *rest = _LAYOUT.unpack_from(data)
    if magic != MAGIC:
        return None
    version, flags, capacity, grain, descriptor, descriptor_sectors, entries, _, directory, *last = rest
    overhead, unclean, line_ends, compression = last
    return Header(
        version, flags, capacity, grain, descriptor, descriptor_sectors, entries, directory, overhead,
        not unclean, line_ends, compression,
    )  # fmt: skip


def header_faults(header: Header) -> list[str]:
    """Why what follows this header cannot be read as a stream; nothing if it can."""
    faults = []
    if header.version not in (1, 2, 3):
        faults.append(f"its version is {header.version}, known are 1 to 3")
    if header.flags & (COMPRESSED | MARKERS) != COMPRESSED | MARKERS or header.compression != DEFLATE:
        faults.append("it is not stream-optimized: grains are not compressed, or have no markers")
    if not 0 < header.capacity <= MOST_CAPACITY_SECTORS:
        faults.append(f"its capacity of {header.capacity} sectors is none a disk has")
    if not (8 <= header.grain <= MOST_GRAIN_SECTORS and header.grain.bit_count() == 1):
        faults.append(f"its grains of {header.grain} sectors are none a disk has")
    if header.grain and header.tables > MOST_TABLES:
        faults.append(f"its grain directory of {header.tables} entries is none a disk has")
    if header.table_entries != TABLE_ENTRIES:
        faults.append(f"its grain tables have {header.table_entries} entries, not {TABLE_ENTRIES}")
    if header.line_ends != b"\n \r\n":
        faults.append("its line ends were changed: it was copied as text")
    return faults


def descriptor_faults(text: str, header: Header) -> list[str]:
    """What the descriptor's text says other than the header does."""
    values = {key.lower(): value.strip('"') for key, value in re.findall(r"(?m)^\s*([\w.]+)\s*=\s*(.*?)\s*$", text)}
    faults = []
    if values.get("createtype") != "streamOptimized":
        faults.append(f"its descriptor says createType={values.get('createtype', '')[:40]!r}, not 'streamOptimized'")
    if values.get("parentcid", "ffffffff").lower() != "ffffffff":
        faults.append("its descriptor names a parent: it is only the difference to another disk")
    extents = re.findall(r"(?m)^\s*(?:RW|RDONLY|NOACCESS)\s+(\d{1,20})\s+(\w+)", text)
    if [kind for _, kind in extents] != ["SPARSE"]:
        faults.append("its descriptor does not have exactly one SPARSE extent")
    elif int(extents[0][0]) != header.capacity:
        faults.append(f"its descriptor has {extents[0][0]} sectors, its header {header.capacity}")
    return faults
