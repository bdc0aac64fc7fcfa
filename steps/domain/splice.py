"""A host's ISO as a spliced view: the ESXi ISO as it is, with a few pieces put over it and some put behind it.

Nothing is copied. The template of an ESXi ISO is everything in which it differs from the source: both BOOT.CFG files
with `ks=cdrom:/KS.CFG`, a root directory with a KS.CFG in it, and an empty slot for the kickstart. All new content
stands behind the source's end; in the source itself only pointers change (volume descriptors, path tables, the records
of BOOT.CFG, the ".." of the root's children). The boot images and their catalog stay where they are. A host's view is
the template with the kickstart in the slot. Some 70 KiB a template, some 64 KiB a host, whatever the ISO's size.
"""

import os
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO, Literal

from pydantic import Base64Bytes

from steps.domain.errors import Unsupported, VerifyFailed
from steps.domain.host import Frozen
from steps.domain.iso import BOOT_CFG, EFI_BOOT_CFG, SECTOR, IsoImage, Record, Volume, broken

SLOT_BYTES = 64 * 1024
KICKSTART = "KS.CFG"
KICKSTART_OPTION = f"ks=cdrom:/{KICKSTART}"  # in upper case: ESXi's installer knows no other names on a CD

Segment = tuple[Literal["file"], int, int] | bytes


class Splice(Frozen):
    """These bytes stand at this offset of the view, instead of the source's or behind them."""

    offset: int
    data: Base64Bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class SplicedImage(Frozen):
    """A view over a source file. `splices` are in order and do not overlap; beyond the source they leave no gap."""

    size_bytes: int
    splices: tuple[Splice, ...]

    def segments(self, start: int, stop: int) -> Iterator[Segment]:
        """The bytes from `start` up to, not including, `stop`: as ("file", offset, length) or as bytes themselves."""
        if not 0 <= start <= stop <= self.size_bytes:
            raise ValueError(f"{start} to {stop} is outside 0 to {self.size_bytes}")
        index = max(0, bisect_right(self.splices, start, key=lambda splice: splice.offset) - 1)
        position = start
        for splice in self.splices[index:]:
            if splice.end <= position:
                continue
            if max(splice.offset, position) >= stop:
                break
            if splice.offset > position:
                yield ("file", position, splice.offset - position)
                position = splice.offset
            piece = splice.data[position - splice.offset : stop - splice.offset]
            yield piece
            position += len(piece)
        if position < stop:
            yield ("file", position, stop - position)


class Template(Frozen):
    """What makes an ESXi ISO take a kickstart, and where the kickstart goes."""

    image: SplicedImage
    slot_offset: int
    slot_bytes: int = SLOT_BYTES

    def view(self, kickstart: bytes) -> SplicedImage:
        """The ISO with this kickstart, padded with newlines so that no size in the image changes."""
        if len(kickstart) > self.slot_bytes:
            what = f"the kickstart has {len(kickstart)} bytes, its slot {self.slot_bytes}"
            raise Unsupported(what, hint="make it shorter")
        padded = kickstart + b"\n" * (self.slot_bytes - len(kickstart))
        filled = [*self.image.splices, _splice(self.slot_offset, padded)]
        return SplicedImage(size_bytes=self.image.size_bytes, splices=tuple(sorted(filled, key=lambda s: s.offset)))


def make_template(file: BinaryIO) -> Template:
    """The template of the ESXi ISO in this open file; VerifyFailed if the ISO cannot take one."""
    return _Remaster(IsoImage(file)).template()


def materialize(image: SplicedImage, source: BinaryIO, out: BinaryIO) -> None:
    """Write the view as a real file, for those who cannot read it by HTTP."""
    for segment in image.segments(0, image.size_bytes):
        if isinstance(segment, bytes):
            out.write(segment)
            continue
        _, offset, left = segment
        out.flush()
        while left:
            try:  # within one file system that shares blocks, this copies nothing
                done = os.copy_file_range(source.fileno(), out.fileno(), left, offset)
            except OSError:
                done = os.write(out.fileno(), os.pread(source.fileno(), min(left, 1 << 20), offset))
            if done == 0:
                raise VerifyFailed("the source ISO became shorter", hint="do not change it while it is in use")
            offset, left = offset + done, left - done
        out.seek(0, os.SEEK_END)


def with_kickstart(boot_cfg: str) -> str:
    """The boot configuration with the kickstart option, every other token of kernelopt kept; the same if done twice."""
    match = re.search(r"^(kernelopt[ \t]*=)([^\r\n]*)", boot_cfg, flags=re.MULTILINE)
    if not match:
        raise VerifyFailed("its BOOT.CFG has no kernelopt line", hint="give the ISO of an ESXi installer")
    tokens = [token for token in match[2].split() if not token.startswith("ks=")]
    line = match[1] + " ".join([*tokens, KICKSTART_OPTION])
    return boot_cfg[: match.start()] + line + boot_cfg[match.end() :]


def _splice(offset: int, data: bytes) -> Splice:
    return Splice.model_construct(offset=offset, data=data)  # validation would decode the bytes as base64


class _Remaster:
    """Works out the splices: new content goes behind the end, pointers to it over what was there."""

    def __init__(self, image: IsoImage) -> None:
        self.image = image
        self.end = -(-image.size_bytes // SECTOR) * SECTOR
        self.appended = bytearray(self.end - image.size_bytes)
        self.patches: dict[int, bytes] = {}

    def template(self) -> Template:
        moved = {
            path: self._append_text(path) for path in (BOOT_CFG, EFI_BOOT_CFG) if self.image.text(path) is not None
        }
        slot = self._append(b"\n" * SLOT_BYTES)
        for volume in self.image.volumes:
            self._redirect(volume, moved, (slot, SLOT_BYTES))
        size_bytes = self.image.size_bytes + len(self.appended)
        for volume in self.image.volumes:
            self.patches[volume.offset + 80] = _both_endian(size_bytes // SECTOR)
        behind = _splice(self.image.size_bytes, bytes(self.appended))
        slot_offset = slot * SECTOR
        return Template(
            image=SplicedImage(
                size_bytes=size_bytes,
                splices=tuple(
                    sorted(
                        [
                            *(_splice(*patch) for patch in self.patches.items()),
                            *_around(behind, slot_offset, SLOT_BYTES),
                        ],
                        key=lambda splice: splice.offset,
                    )
                ),
            ),
            slot_offset=slot_offset,
        )

    def _append(self, data: bytes) -> int:
        """Put this behind everything else; its first sector."""
        sector = (self.image.size_bytes + len(self.appended)) // SECTOR
        self.appended += data + bytes(-len(data) % SECTOR)
        return sector

    def _append_text(self, path: str) -> tuple[int, int]:
        data = with_kickstart(self.image.text(path) or "").encode("latin-1")
        return self._append(data), len(data)

    def _directory(self, volume: Volume, directory: Record) -> list[Record]:
        """The records of a directory which begins as every directory must."""
        records = self.image.records(volume, directory)
        if [record.name for record in records[:2]] != [".", ".."]:
            raise broken(f"its directory {directory.name!r} is damaged")
        return records

    def _redirect(self, volume: Volume, moved: dict[str, tuple[int, int]], slot: tuple[int, int]) -> None:
        """Make this tree show the moved files and the slot; its root directory moves behind the end as well."""
        records = self._directory(volume, volume.root)
        if EFI_BOOT_CFG in moved and (record := self.image.find(volume, EFI_BOOT_CFG)):
            self.patches[record.offset + 2] = _extent(*moved[EFI_BOOT_CFG])
        model = next((record for record in records if record.name.upper() == BOOT_CFG), None)
        if model is None:
            raise broken(f"its {volume.tree} tree has no {BOOT_CFG}")
        entries = [r.raw for r in records[2:] if r.name.upper() not in (BOOT_CFG, KICKSTART)]
        entries += [_pointing(model.raw, *moved[BOOT_CFG]), _pointing(_kickstart_record(model, volume, slot[0]), *slot)]
        entries.sort(key=_identifier)
        size = len(_packed([records[0].raw, records[1].raw, *entries]))
        sector = (self.image.size_bytes + len(self.appended)) // SECTOR
        own = [_pointing(record.raw, sector, size) for record in records[:2]]
        self._append(_packed([*own, *entries]))
        self.patches[volume.root.offset + 2] = _extent(sector, size)
        for table in volume.little_path_tables:
            self.patches[table * SECTOR + 2] = struct.pack("<I", sector)
        for table in volume.big_path_tables:
            self.patches[table * SECTOR + 2] = struct.pack(">I", sector)
        for child in (record for record in records[2:] if record.is_directory):
            parent = self._directory(volume, child)[1]
            self.patches[parent.offset + 2] = _extent(sector, size)


def _around(splice: Splice, hole: int, length: int) -> list[Splice]:
    """The splice without the hole in it."""
    pieces = [
        _splice(splice.offset, splice.data[: hole - splice.offset]),
        _splice(hole + length, splice.data[hole + length - splice.offset :]),
    ]
    return [piece for piece in pieces if piece.data]


def _both_endian(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)


def _extent(sector: int, size_bytes: int) -> bytes:
    """Location and size as they stand in a directory record from its third byte on."""
    return _both_endian(sector) + _both_endian(size_bytes)


def _pointing(raw: bytes, sector: int, size_bytes: int) -> bytes:
    return raw[:2] + _extent(sector, size_bytes) + raw[18:]


def _identifier(raw: bytes) -> bytes:
    return raw[33 : 33 + raw[32]]


def _packed(records: list[bytes]) -> bytes:
    """Directory records in whole sectors; none crosses from one into the next."""
    packed = bytearray()
    for raw in records:
        left = SECTOR - len(packed) % SECTOR
        if len(raw) > left:
            packed += bytes(left)
        packed += raw
    return bytes(packed + bytes(-len(packed) % SECTOR))


def _kickstart_record(model: Record, volume: Volume, serial: int) -> bytes:
    """A record for KS.CFG like the one of BOOT.CFG beside it: the same dates, flags, version and Rock Ridge fields."""
    encoding = "utf-16-be" if volume.tree == "joliet" else "latin-1"
    text = model.identifier.decode(encoding)
    identifier = (KICKSTART + text[len(BOOT_CFG) :]).encode(encoding)
    name = identifier + (b"" if len(identifier) % 2 else b"\0")
    body = model.raw[1:32] + bytes([len(identifier)]) + name + _rock_ridge(model.system_use, serial)
    body += b"" if len(body) % 2 else b"\0"  # with the length byte in front the record is even
    return bytes([len(body) + 1]) + body


def _rock_ridge(fields: bytes, serial: int) -> bytes:
    """BOOT.CFG's Rock Ridge fields with the kickstart's name and a serial number of its own; nothing if it has none."""
    made = b""
    while len(fields) >= 4 and fields[2] >= 4:
        signature, field = fields[:2], fields[: fields[2]]
        if signature == b"PX" and len(field) >= 44:
            made += field[:36] + _both_endian(serial) + field[44:]
        elif signature == b"NM":
            name = KICKSTART.encode()
            made += b"NM" + bytes([5 + len(name), 1, 0]) + name
        elif signature in (b"RR", b"TF", b"PX"):
            made += field
        fields = fields[fields[2] :]
    return made
