"""A host's ISO as a spliced view: the ESXi ISO as it is, with a few pieces put over it and some put behind it.

Nothing is copied. The template of an ESXi ISO is everything in which it differs from the source: both BOOT.CFG files
with `ks=cdrom:/KS.CFG`, a root directory with a KS.CFG in it, and an empty slot for the kickstart. All new content
stands behind the source's end; in the source itself only pointers change (volume descriptors, path tables, the records
of BOOT.CFG, the ".." of the root's children). The boot images and their catalog stay where they are. A host's view is
the template with the kickstart in the slot. Some 10 KiB a template, some 64 KiB a host, whatever the ISO's size.

    source | gap | slot | gap | BOOT.CFG, EFI/BOOT/BOOT.CFG, root directories | tail

The gaps are zeros that are stored nowhere. They keep the slot out of the read-ahead of its neighbours, which are read
long before the kickstart is: that the slot was read shall mean that the installer asked for it.
"""

import os
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, Literal

from pydantic import Base64Bytes

from steps.domain.errors import Unsupported, VerifyFailed
from steps.domain.host import Frozen
from steps.domain.iso import BOOT_CFG, EFI_BOOT_CFG, SECTOR, IsoImage, Record, Volume, broken

SLOT_BYTES = 64 * 1024
GAP_BYTES = 1024 * 1024
TAIL_BYTES = 150 * SECTOR  # as mkisofs pads: drives and drivers read ahead past the last file
KICKSTART = "KS.CFG"
KICKSTART_OPTION = f"ks=cdrom:/{KICKSTART}"  # in upper case: ESXi's installer knows no other names on a CD

ZEROS = bytes(64 * 1024)

Segment = tuple[Literal["file"], int, int] | bytes


class Splice(Frozen):
    """These bytes stand at this offset of the view, instead of the source's or behind them."""

    offset: int
    data: Base64Bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class SplicedImage(Frozen):
    """A view over a source file. `splices` are in order and do not overlap; what they leave open shows the source, and
    zeros behind its end."""

    source_bytes: int | None = None  # None: the source reaches to the view's end
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
                yield from self._between(position, splice.offset)
                position = splice.offset
            piece = splice.data[position - splice.offset : stop - splice.offset]
            yield piece
            position += len(piece)
        if position < stop:
            yield from self._between(position, stop)

    def _between(self, start: int, stop: int) -> Iterator[Segment]:
        """What is seen where no splice is."""
        end = self.size_bytes if self.source_bytes is None else self.source_bytes
        if start < end:
            yield ("file", start, min(stop, end) - start)
        for position in range(max(start, end), stop, len(ZEROS)):
            yield ZEROS[: stop - position]


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
        return self.image.model_copy(update={"splices": tuple(sorted(filled, key=lambda s: s.offset))})


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

    def line(match: re.Match[str]) -> str:
        tokens = [token for token in match[2].split() if not token.startswith("ks=")]
        return match[1] + " ".join([*tokens, KICKSTART_OPTION])

    edited, count = re.subn(r"^([ \t]*kernelopt[ \t]*=)([^\r\n]*)", line, boot_cfg, flags=re.MULTILINE)
    if not count:
        raise VerifyFailed("its BOOT.CFG has no kernelopt line", hint="give the ISO of an ESXi installer")
    return edited


def _splice(offset: int, data: bytes) -> Splice:
    return Splice.model_construct(offset=offset, data=data)  # validation would decode the bytes as base64


class _Remaster:
    """Works out the splices: new content goes behind the end, pointers to it over what was there."""

    def __init__(self, image: IsoImage) -> None:
        self.image = image
        self.slot = -(-(image.size_bytes + GAP_BYTES) // SLOT_BYTES) * SLOT_BYTES
        self.end = self.slot + SLOT_BYTES + GAP_BYTES  # where the next new content goes
        self.pieces: dict[int, bytes] = {}  # by offset
        self.roots: dict[int, tuple[int, int]] = {}  # new sector and size of each root directory by its old sector

    def template(self) -> Template:
        moved = {
            path: self._append_text(path) for path in (BOOT_CFG, EFI_BOOT_CFG) if self.image.text(path) is not None
        }
        if BOOT_CFG not in moved:
            raise VerifyFailed("it has no BOOT.CFG: no ESXi installer", hint="give the ISO of an ESXi installer")
        for volume in self.image.volumes:
            self._redirect(volume, moved)
        size_bytes = self.end + TAIL_BYTES
        for volume in self.image.volumes:
            self._patch(volume.offset + 80, _both_endian(size_bytes // SECTOR))
        splices = tuple(_splice(*piece) for piece in sorted(self.pieces.items()))
        if any(one.end > other.offset for one, other in pairwise(splices)):
            raise broken("parts of it lie upon each other")
        image = SplicedImage.model_construct(source_bytes=self.image.size_bytes, size_bytes=size_bytes, splices=splices)
        return Template.model_construct(image=image, slot_offset=self.slot, slot_bytes=SLOT_BYTES)

    def _append(self, data: bytes) -> int:
        """Put this behind everything else; its sector."""
        offset = self.end
        self.pieces[offset] = data
        self.end += -(-len(data) // SECTOR) * SECTOR
        return offset // SECTOR

    def _append_text(self, path: str) -> tuple[int, int]:
        data = with_kickstart(self.image.text(path) or "").encode("latin-1")
        return self._append(data), len(data)

    def _patch(self, offset: int, data: bytes) -> None:
        """Show this over what the source has there; trees which share directories patch the same place alike."""
        self.image.read_at(offset, len(data), "directories")
        if self.pieces.setdefault(offset, data) != data:
            raise broken("parts of it lie upon each other")

    def _redirect(self, volume: Volume, moved: dict[str, tuple[int, int]]) -> None:
        """Make this tree show the moved files and the slot; its root directory moves behind the end as well."""
        if volume.root.sector not in self.roots:
            self.roots[volume.root.sector] = self._root(volume, moved)
        sector, size = self.roots[volume.root.sector]
        self._patch(volume.root.offset + 1, _pointer(sector, size))
        for table in volume.little_path_tables:
            self._patch_table(table, struct.pack("<I", sector))
        for table in volume.big_path_tables:
            self._patch_table(table, struct.pack(">I", sector))

    def _patch_table(self, table: int, sector: bytes) -> None:
        if self.image.read_at(table * SECTOR, 10, "path table")[0] != 1:  # the root's name is one zero byte
            raise broken("its path table does not begin with the root directory")
        self._patch(table * SECTOR + 2, sector)

    def _root(self, volume: Volume, moved: dict[str, tuple[int, int]]) -> tuple[int, int]:
        """Append the tree's new root directory, point the other directories at it; its sector and size."""
        records = self.image.records(volume, volume.root)
        if [record.name for record in records[:2]] != [".", ".."]:
            raise broken("its root directory is damaged")
        if EFI_BOOT_CFG in moved and (record := self.image.find(volume, EFI_BOOT_CFG)):
            self._patch(record.offset + 1, _pointer(*moved[EFI_BOOT_CFG]))
        entries = self._entries(volume, records[2:], moved[BOOT_CFG])
        sector, size = self.end // SECTOR, len(_packed([*(record.raw for record in records[:2]), *entries]))
        own = [_pointing(record.raw, sector, size) for record in records[:2]]
        self._append(_packed([*own, *entries]))
        for child in (record for record in records[2:] if record.is_directory):
            self._patch(self.image.parent_entry(volume, child).offset + 1, _pointer(sector, size))
        return sector, size

    def _entries(self, volume: Volume, records: list[Record], boot_cfg: tuple[int, int]) -> list[bytes]:
        """The root's entries in the order they had, BOOT.CFG where it is now, KS.CFG among them."""
        named = {record.name.upper(): record for record in records}
        model = named.get(BOOT_CFG)
        if model is None or model.is_directory or named.get(KICKSTART, model).is_directory:
            raise broken(f"its {volume.tree} tree has no file {BOOT_CFG}, or a directory {KICKSTART}")
        slot = self.slot // SECTOR
        kickstart = _pointing(_kickstart_record(model, volume, slot), slot, SLOT_BYTES)
        kept = [record for record in records if record.name.upper() != KICKSTART]
        place = next((i for i, r in enumerate(kept) if _sorted_by(r.name) > _sorted_by(KICKSTART)), len(kept))
        entries = [_pointing(record.raw, *boot_cfg) if record is model else record.raw for record in kept]
        return [*entries[:place], kickstart, *entries[place:]]


def _both_endian(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)


def _pointer(sector: int, size_bytes: int) -> bytes:
    """What stands in a directory record from its second byte on: no extended attributes, location and size."""
    return b"\0" + _both_endian(sector) + _both_endian(size_bytes)


def _pointing(raw: bytes, sector: int, size_bytes: int) -> bytes:
    return raw[:1] + _pointer(sector, size_bytes) + raw[18:]


def _sorted_by(name: str) -> tuple[str, str]:
    """The order of ECMA-119, 9.3: by name, then by extension."""
    stem, _, extension = name.partition(".")
    return stem, extension


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
