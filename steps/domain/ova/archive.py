"""An OVA's members one after the other, read as a stream; what is wrong with the tar itself on the way."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from steps.domain.ova import tar

CHUNK_BYTES = 2**20
MOST_MEMBERS = 1000
MOST_BYTES = 2**50
MOST_EXTENDED_BYTES = 2**20
MOST_ZEROS_BYTES = 64 * 2**20  # behind the end: tar fills up to some KiB


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Seekable(Readable, Protocol):
    def seek(self, offset: int, whence: int, /) -> int: ...


@dataclass(frozen=True)
class TarFault:
    offset: int  # bytes from the archive's beginning
    message: str


@dataclass
class Archive:
    """Iterate `members`; read each one's `content` before the next is asked for, or what is left of it is skipped."""

    file: Readable
    offset: int = 0
    faults: list[TarFault] = field(default_factory=list)
    _left: int = 0  # of the member under way

    def members(self) -> Iterator[tuple[tar.Member, int]]:
        """Each regular file with the offset of its content. It ends where nothing behind could be understood."""
        size_told = None
        for _ in range(MOST_MEMBERS):
            at = self.offset
            block = self._take(tar.BLOCK)
            member = tar.read_header(block) if len(block) == tar.BLOCK else "the archive is cut short"
            if member is None:
                self._end()
                return
            if isinstance(member, str):
                self._fault(at, member)
                return
            if member.kind in ("x", "g"):
                self._fault(at, "an extended header of pax: many importers take plain ustar only")
                told = self._extended_size(member)
                size_told = told if member.kind == "x" else size_told
                continue
            if size_told is not None:
                member, size_told = tar.Member(member.name, size_told, member.kind, member.format), None
            if member.size_bytes > MOST_BYTES:
                self._fault(at, f"a file of {member.size_bytes} bytes: there is none such")
                return
            self._left = member.size_bytes
            if member.kind == "0":
                yield member, self.offset
            else:
                self._fault(at, f"{member.name[:80]!r} is no regular file")
            if not self._skip():
                return
        self._fault(self.offset, f"more than {MOST_MEMBERS} files: no OVA")

    def content(self) -> Iterator[bytes]:
        """What is left of the member under way, in chunks."""
        while self._left:
            chunk = self._take(min(self._left, CHUNK_BYTES))
            if not chunk:
                return
            self._left -= len(chunk)
            yield chunk

    @property
    def cut(self) -> bool:
        """The member under way was not all there."""
        return self._left > 0

    def pass_over(self, file: Seekable) -> None:
        """Go behind what is left of the member under way without reading it; `file` is the archive's."""
        file.seek(self._left, os.SEEK_CUR)
        self.offset += self._left
        self._left = 0

    def _take(self, size: int) -> bytes:
        """This many bytes; fewer only at the end."""
        data = self.file.read(size)
        while 0 < len(data) < size:
            more = self.file.read(size - len(data))
            if not more:
                break
            data += more
        self.offset += len(data)
        return data

    def _skip(self) -> bool:
        """Go behind the member under way and its padding; False if the archive ends before."""
        start = self.offset + self._left
        for _ in self.content():
            pass
        padding = self._take(tar.padding(start)) if not self._left else b""
        if self._left or len(padding) != tar.padding(start):
            self._fault(self.offset, "the archive is cut short")
            return False
        if any(padding):
            self._fault(start, "what fills a file up to 512 bytes is not zero")
        return True

    def _extended_size(self, member: tar.Member) -> int | None:
        """The size a pax header gives to the file behind it."""
        self._left = member.size_bytes
        text = b"".join(self.content()) if member.size_bytes <= MOST_EXTENDED_BYTES else b""
        self._skip()
        match = re.search(rb"(?m)^\d{1,10} size=(\d{1,20})$", text)
        return int(match[1]) if match else None

    def _end(self) -> None:
        """Behind the first block of zeros: another one, and nothing but zeros after it."""
        at = self.offset
        rest = self._take(tar.BLOCK)
        if len(rest) < tar.BLOCK:
            self._fault(at, "the archive's end is cut: two blocks of zeros belong there")
        start = at
        while rest:
            if any(rest):
                self._fault(at, "something stands behind the archive's end")
                return
            if self.offset - start > MOST_ZEROS_BYTES:
                self._fault(start, f"more than {MOST_ZEROS_BYTES // 2**20} MiB of zeros, and no end to be seen")
                return
            at, rest = self.offset, self._take(CHUNK_BYTES)

    def _fault(self, offset: int, message: str) -> None:
        self.faults.append(TarFault(offset, message))
