"""Check a stream-optimized VMDK while it passes by, chunk by chunk, in bounded memory.

    header | descriptor | grains and their tables, each behind a marker | directory | footer | end-of-stream marker

Every structure is checked: header, descriptor against header, each grain's place, order and size, tables and directory
against the grains, footer against header. With `inflate` each grain's deflate stream too, its checksum included;
without it the check costs next to nothing, and still tells a whole stream from a cut or a foreign one.
"""

import struct
import zlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass

from steps.domain.vmdk.header import (
    GD_AT_END,
    MAGIC,
    SECTOR,
    TABLE_ENTRIES,
    Header,
    descriptor_faults,
    header_faults,
    read_header,
)
from steps.domain.vmdk.tables import TablesBehind, TablesInFront

MOST_FAULTS = 20
MOST_FRONT_BYTES = 64 * 2**20  # of what stands in front of the grains
MOST_DESCRIPTOR_BYTES = 2**20
MOST_SPARE_SECTORS = 128  # some round the directory up to whole grains
TABLE, DIRECTORY, FOOTER, END = 1, 2, 3, 0
NAMES = {TABLE: "grain table", DIRECTORY: "grain directory", FOOTER: "footer"}

_Reading = Generator[int, bytes, None]  # yields how many bytes it wants next


@dataclass(frozen=True)
class VmdkFault:
    offset: int  # bytes from the disk's beginning
    message: str


@dataclass(frozen=True)
class VmdkFacts:
    """What was seen of a disk; `notes` are no faults, but may be trouble elsewhere."""

    version: int
    capacity_bytes: int
    grains: int
    populated_bytes: int  # the grains, uncompressed
    size_bytes: int
    notes: tuple[str, ...]


def most_bytes(capacity_bytes: int) -> int:
    """What a disk of this capacity takes at the most as a stream: nothing in it can be compressed."""
    grains = -(-capacity_bytes // 65536)
    tables = -(-grains // TABLE_ENTRIES)
    return 2**20 + grains * (65536 + 1024) + tables * (5 * SECTOR + 4)


class VmdkStream:
    """Feed it the disk, then finish; `faults` has what is wrong, at most MOST_FAULTS."""

    def __init__(self, *, inflate: bool) -> None:
        self.inflate = inflate
        self.faults: list[VmdkFault] = []
        self.notes: list[str] = []
        self.header: Header | None = None
        self.grains = 0
        self._fed = 0
        self._taken = 0  # what the reading has, from the disk's beginning
        self._buffer = bytearray()
        self._may_end = False
        self._last_grain = -1
        self._footer = False
        self._reading: _Reading | None = self._read()
        self._wanted = next(self._reading)

    def feed(self, chunk: bytes | memoryview) -> None:
        self._fed += len(chunk)
        if self._reading is None:
            return
        self._buffer += chunk
        position = 0
        try:
            while len(self._buffer) - position >= self._wanted:
                data = bytes(memoryview(self._buffer)[position : position + self._wanted])
                position += self._wanted
                self._taken += self._wanted
                self._wanted = self._reading.send(data)
        except StopIteration:
            self._reading = None
        del self._buffer[:position]

    def finish(self) -> VmdkFacts:
        """Nothing more comes. What was left open becomes a fault."""
        if self._reading is not None:
            if self._buffer or not self._may_end:
                self._fault(f"it is cut short: {self._fed} bytes, and it goes on", at=self._fed)
            self._reading = None
        header = self.header
        grain_bytes = header.grain_bytes if header else 0
        return VmdkFacts(
            version=header.version if header else 0,
            capacity_bytes=header.capacity * SECTOR if header else 0,
            grains=self.grains,
            populated_bytes=self.grains * grain_bytes,
            size_bytes=self._fed,
            notes=tuple(self.notes),
        )

    def _fault(self, message: str, *, at: int | None = None) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(VmdkFault(self._taken if at is None else at, message))

    def _faulty(self, messages: Iterable[str], *, at: int) -> bool:
        count = len(self.faults)
        for message in messages:
            self._fault(message, at=at)
            if len(self.faults) == MOST_FAULTS:
                return True
        return len(self.faults) > count

    def _read(self) -> _Reading:
        """The whole disk, from first to last byte. It ends where nothing behind could be understood."""
        first = yield SECTOR
        header = read_header(first)
        if header is None:
            self._fault("it is no VMDK: a sparse extent begins with KDMV", at=0)
            return
        if self._faulty(header_faults(header), at=0):
            return
        self.header = header
        front_bytes = header.overhead * SECTOR
        if not SECTOR <= front_bytes <= MOST_FRONT_BYTES:
            self._fault(f"its first grain would be at sector {header.overhead}", at=0)
            return
        front = first
        if front_bytes > SECTOR:
            front += yield front_bytes - SECTOR
        if header.version < 3:
            self.notes.append(f"its version is {header.version}; ESXi wants 3")
        if not header.clean:
            self.notes.append("whoever wrote it did not close it")
        self._descriptor(header, front)
        if header.directory == GD_AT_END:
            yield from self._with_tables_behind(header)
        else:
            yield from self._with_tables_in_front(header, front)

    def _descriptor(self, header: Header, front: bytes) -> None:
        start, length = header.descriptor * SECTOR, header.descriptor_sectors * SECTOR
        if not (0 < start <= len(front) and 0 < length <= min(MOST_DESCRIPTOR_BYTES, len(front) - start)):
            self._fault("its descriptor lies outside of what stands in front of the grains", at=0)
            return
        text = front[start : start + length].partition(b"\0")[0].decode("utf-8", "replace")
        self._faulty(descriptor_faults(text, header), at=start)

    def _with_tables_in_front(self, header: Header, front: bytes) -> _Reading:
        tables = TablesInFront(header)
        at = header.directory * SECTOR
        if self._faulty(tables.read(front), at=at if at < len(front) else 0):
            return
        self._may_end = True  # qemu-img writes no end-of-stream marker
        while True:
            at = self._taken
            marker = yield SECTOR
            value, size, kind = struct.unpack_from("<QII", marker)
            if size == 0:
                if (value, kind) != (0, END):
                    self._fault(f"a marker of type {kind} among the grains, though the tables are in front", at=at)
                break
            if not (yield from self._grain(header, tables, marker, at)):
                return
        self._faulty(tables.end_faults(), at=self._taken)
        yield from self._zeros()

    def _with_tables_behind(self, header: Header) -> _Reading:
        tables = TablesBehind(header)
        while True:
            at = self._taken
            marker = yield SECTOR
            value, size, kind = struct.unpack_from("<QII", marker)
            if size:
                if not (yield from self._grain(header, tables, marker, at)):
                    return
            elif (value, kind) == (0, END):
                break
            elif not (yield from self._metadata(header, tables, value, kind, at)):
                return
        if not self._footer:
            self._fault("it has no footer", at=at)
        self._faulty(tables.end_faults(), at=at)
        self._may_end = True
        yield from self._zeros()

    def _grain(
        self, header: Header, tables: TablesBehind | TablesInFront, marker: bytes, at: int
    ) -> Generator[int, bytes, bool]:
        """One grain and its marker; False if what follows cannot be found any more."""
        sector, size = struct.unpack_from("<QI", marker)
        if size > header.grain_bytes + header.grain_bytes // 8 + 64:
            self._fault(f"a grain of {size} compressed bytes: more than one can have", at=at)
            return False
        may_end, self._may_end = self._may_end, False
        data = marker[12 : 12 + size]
        if size > SECTOR - 12:
            rest = yield -(-(size - (SECTOR - 12)) // SECTOR) * SECTOR
            data += rest[: size - len(data)]
        self._may_end = may_end
        number, inside = divmod(sector, header.grain)
        if inside or number >= header.grains:
            self._fault(f"a grain for sector {sector}, where none can be", at=at)
            return False
        if number <= self._last_grain:
            self._fault(f"the grain for sector {sector} comes again, or too late: importers want them in order", at=at)
            return False
        self._last_grain = number
        self.grains += 1
        problem = tables.grain(number, at // SECTOR)
        if problem:
            self._fault(problem, at=at)
        if self.inflate:
            self._inflate(header, number, data, at)
        return len(self.faults) < MOST_FAULTS

    def _inflate(self, header: Header, number: int, data: bytes, at: int) -> None:
        stream = zlib.decompressobj()
        try:
            content = stream.decompress(data, header.grain_bytes + 1)
        except zlib.error as error:
            self._fault(f"the grain for sector {number * header.grain} cannot be inflated: {error}", at=at)
            return
        least = min(header.grain, header.capacity - number * header.grain) * SECTOR
        if not stream.eof or stream.unused_data or not least <= len(content) <= header.grain_bytes:
            self._fault(f"the grain for sector {number * header.grain} does not hold {least} bytes", at=at)

    def _metadata(
        self, header: Header, tables: TablesBehind, sectors: int, kind: int, at: int
    ) -> Generator[int, bytes, bool]:
        """A table, the directory or the footer, behind its marker; False if what follows cannot be found any more."""
        wanted = {TABLE: TABLE_ENTRIES * 4, DIRECTORY: header.tables * 4, FOOTER: SECTOR}.get(kind)
        least = -(-(wanted or 0) // SECTOR)
        if wanted is None or not least <= sectors <= least + (MOST_SPARE_SECTORS if kind == DIRECTORY else 0):
            self._fault(f"a marker of type {kind} with {sectors} sectors: there is none such", at=at)
            return False
        place = self._taken // SECTOR
        data = yield sectors * SECTOR
        if kind == TABLE:
            self._faulty(tables.table(data, place), at=at)
        elif kind == DIRECTORY:
            self._faulty(tables.directory_faults(data, place), at=at)
        else:
            self._footer = True
            self._faulty(_footer_faults(read_header(data), header, tables.directory), at=at)
        return len(self.faults) < MOST_FAULTS

    def _zeros(self) -> _Reading:
        """Behind the end nothing but zeros, which qemu-img leaves there."""
        self._may_end = True
        while True:
            at = self._taken
            if any((yield SECTOR)):
                self._fault("something stands behind its end", at=at)
                return


def _footer_faults(footer: Header | None, header: Header, directory: int) -> list[str]:
    if footer is None:
        return [f"its footer does not begin as its header does ({MAGIC:#x})"]
    faults = []
    if footer.directory != directory:
        faults.append(f"its footer has the grain directory at sector {footer.directory}, it is at {directory}")
    if (footer.capacity, footer.grain, footer.version) != (header.capacity, header.grain, header.version):
        faults.append("its footer has another capacity, grain size or version than its header")
    return faults
