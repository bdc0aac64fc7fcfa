"""Read an ISO 9660 image: its directories, its boot entries, and which ESXi it installs.

Reads only what it is asked for, and never beyond what the image's size allows: a damaged or hostile file ends in
VerifyFailed. Layout after ECMA-119 (offsets there count from 1, here from 0), Joliet and El Torito.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Literal

from steps.domain.errors import VerifyFailed

SECTOR = 2048
MAX_DESCRIPTORS = 64
MAX_DIRECTORY_BYTES = 1024 * 1024  # thousands of files; an ESXi ISO has a few hundred
MAX_CONFIG_BYTES = 64 * 1024

BOOT_CFG = "BOOT.CFG"  # read by the BIOS boot loader
EFI_BOOT_CFG = "EFI/BOOT/BOOT.CFG"  # read by the UEFI boot loader

Tree = Literal["primary", "joliet", "enhanced"]  # enhanced: ISO 9660:1999, mostly over the primary's directories


def broken(what: str) -> VerifyFailed:
    """The error for an image that is not what it should be."""
    return VerifyFailed(what, hint="download it again and compare its checksum")


@dataclass(frozen=True)
class Record:
    """One directory record, and where in the image it stands."""

    name: str  # decoded, without version; "." and ".." for the first two of a directory
    sector: int  # of the content, behind an extended attribute record if there is one
    size_bytes: int
    is_directory: bool
    offset: int
    raw: bytes

    @property
    def identifier(self) -> bytes:
        """The file identifier as it is stored, version included."""
        return self.raw[33 : 33 + self.raw[32]]

    @property
    def system_use(self) -> bytes:
        """What follows the identifier: Rock Ridge fields, where the image has them."""
        length = self.raw[32]
        return self.raw[33 + length + (length % 2 == 0) :]


@dataclass(frozen=True)
class Volume:
    """One directory tree of the image; a plain image has one, with Joliet there are two over the same files."""

    tree: Tree
    offset: int  # of the volume descriptor
    root: Record
    little_path_tables: tuple[int, ...]  # sectors
    big_path_tables: tuple[int, ...]
    sectors: int


class IsoImage:
    """An open ISO 9660 image."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size_bytes = file.seek(0, os.SEEK_END)
        self.volumes: list[Volume] = []
        self.boot_catalog: int | None = None
        self._read_descriptors()

    def _read_descriptors(self) -> None:
        for number in range(16, 16 + MAX_DESCRIPTORS):
            data = self.read_at(number * SECTOR, SECTOR, "volume descriptor")
            if data[1:6] != b"CD001":
                raise broken("not an ISO 9660 image")
            kind = data[0]
            if kind == 255:
                break
            if kind == 0 and data[7:30] == b"EL TORITO SPECIFICATION":
                self.boot_catalog = struct.unpack_from("<I", data, 71)[0]
            tree = _tree(kind, data)
            if tree and all(volume.tree != tree for volume in self.volumes):  # of repeated ones the first counts
                self.volumes.append(_volume(data, number * SECTOR, tree))
        if not any(volume.tree == "primary" for volume in self.volumes):
            raise broken("it has no primary volume descriptor")

    def read_at(self, offset: int, length: int, what: str) -> bytes:
        """These bytes of the image, all of them."""
        if offset + length > self.size_bytes:
            raise broken(f"it is cut short: its {what} would stand at byte {offset}, it has {self.size_bytes}")
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) != length:
            raise broken(f"its {what} cannot be read whole")
        return data

    @property
    def primary(self) -> Volume:
        return next(volume for volume in self.volumes if volume.tree == "primary")

    def records(self, volume: Volume, directory: Record) -> list[Record]:
        """Every record of a directory, "." and ".." first."""
        if directory.size_bytes > MAX_DIRECTORY_BYTES:
            raise broken(f"its directory {directory.name!r} claims {directory.size_bytes} bytes")
        start = directory.sector * SECTOR
        data = self.read_at(start, directory.size_bytes, f"directory {directory.name!r}")
        return list(_records(data, start, volume.tree))

    def parent_entry(self, volume: Volume, directory: Record) -> Record:
        """The ".." of a directory. Only its first sector is read, whatever size the directory claims."""
        start = directory.sector * SECTOR
        data = self.read_at(start, SECTOR, f"directory {directory.name!r}")
        records = list(islice(_records(data, start, volume.tree), 2))
        if [record.name for record in records] != [".", ".."]:
            raise broken(f"its directory {directory.name!r} is damaged")
        return records[1]

    def find(self, volume: Volume, path: str) -> Record | None:
        """The record of this path, whatever its case; None if there is none."""
        here = volume.root
        for part in path.split("/"):
            if not here.is_directory:
                return None
            named = (r for r in self.records(volume, here) if r.name.upper() == part.upper())
            found = next(named, None)
            if found is None:
                return None
            here = found
        return here

    def text(self, path: str) -> str | None:
        """A small text file of the primary tree; None if it is not there."""
        record = self.find(self.primary, path)
        if record is None or record.is_directory:
            return None
        if record.size_bytes > MAX_CONFIG_BYTES:
            raise broken(f"its {path} claims {record.size_bytes} bytes")
        return self.read_at(record.sector * SECTOR, record.size_bytes, path).decode("latin-1")

    def boot_platforms(self) -> set[Literal["bios", "uefi"]]:
        """Which firmware the El Torito boot catalog has an entry for."""
        if self.boot_catalog is None:
            return set()
        catalog = self.read_at(self.boot_catalog * SECTOR, SECTOR, "boot catalog")
        found: set[Literal["bios", "uefi"]] = set()
        platform = catalog[1]
        for entry in (catalog[i : i + 32] for i in range(0, SECTOR, 32)):
            if entry[0] in (0x90, 0x91):  # header of a section: its second byte is the platform of what follows
                platform = entry[1]
            elif entry[0] == 0x88:  # bootable
                found.add("uefi" if platform == 0xEF else "bios")
        return found


def _tree(kind: int, data: bytes) -> Tree | None:
    """Which tree this volume descriptor stands for."""
    if kind == 2:
        return "joliet" if data[88:91] in (b"%/@", b"%/C", b"%/E") else "enhanced"
    return "primary" if kind == 1 else None


def _volume(data: bytes, offset: int, tree: Tree) -> Volume:
    little = struct.unpack_from("<2I", data, 140)
    big = struct.unpack_from(">2I", data, 148)
    root = _record(data[156:190], offset + 156, tree)
    if not root.is_directory:
        raise broken("its root is no directory")
    return Volume(
        tree=tree,
        offset=offset,
        root=root,
        little_path_tables=tuple(sector for sector in little if sector),
        big_path_tables=tuple(sector for sector in big if sector),
        sectors=struct.unpack_from("<I", data, 80)[0],
    )


def _records(data: bytes, start: int, tree: Tree) -> Iterator[Record]:
    position = 0
    while position < len(data):
        length = data[position]
        if length == 0:  # the rest of the sector is empty: a record never crosses one
            position = (position // SECTOR + 1) * SECTOR
            continue
        raw = data[position : position + length]
        yield _record(raw, start + position, tree)
        position += length


def _record(raw: bytes, offset: int, tree: Tree) -> Record:
    if len(raw) < 34 or len(raw) < 33 + raw[32]:
        raise broken(f"its directory record at byte {offset} is damaged")
    sector, size_bytes = struct.unpack_from("<I", raw, 2)[0], struct.unpack_from("<I", raw, 10)[0]
    return Record(_name(raw[33 : 33 + raw[32]], tree), sector + raw[1], size_bytes, bool(raw[25] & 2), offset, raw)


def _name(identifier: bytes, tree: Tree) -> str:
    if identifier in (b"\0", b"\1"):
        return "." if identifier == b"\0" else ".."
    text = identifier.decode("utf-16-be" if tree == "joliet" else "latin-1", errors="replace")
    return text.split(";")[0].rstrip(".")


@dataclass(frozen=True)
class EsxiIsoFacts:
    """What an ESXi ISO says of itself."""

    version: str  # 8.0.3
    build: str  # 24022510
    title: str
    kernelopt: dict[str, str]  # by the path of each boot configuration
    boots_bios: bool
    boots_uefi: bool
    size_bytes: int


def inspect(file: BinaryIO) -> EsxiIsoFacts:
    """Which ESXi the image in this open file installs; VerifyFailed if it is no ESXi ISO, or a damaged one."""
    image = IsoImage(file)
    texts = {path: text for path in (BOOT_CFG, EFI_BOOT_CFG) if (text := image.text(path)) is not None}
    if BOOT_CFG not in texts:
        raise VerifyFailed("it has no BOOT.CFG: no ESXi installer", hint="give the ISO of an ESXi installer")
    settings = {path: _settings(text) for path, text in texts.items()}
    said = settings[BOOT_CFG].get("build", "")
    match = re.fullmatch(r"(\d+\.\d+\.\d+)-(?:.*\.)?(\d+)", said)
    if not match or not all("kernelopt" in values for values in settings.values()):
        what = f"its BOOT.CFG says build={said!r}" if not match else "its BOOT.CFG has no kernelopt line"
        raise VerifyFailed(f"{what}: no ESXi installer", hint="give the ISO of an ESXi installer, 6.7 or later")
    if image.primary.sectors * SECTOR > image.size_bytes:
        raise broken(f"it is cut short: {image.size_bytes} of {image.primary.sectors * SECTOR} bytes")
    platforms = image.boot_platforms()
    return EsxiIsoFacts(
        version=match[1],
        build=match[2],
        title=settings[BOOT_CFG].get("title", ""),
        kernelopt={path: values["kernelopt"] for path, values in settings.items()},
        boots_bios="bios" in platforms,
        boots_uefi="uefi" in platforms and EFI_BOOT_CFG in texts,
        size_bytes=image.size_bytes,
    )


def _settings(text: str) -> dict[str, str]:
    pairs = (line.strip().partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}
