"""Where an OVA is written: something that grows at its end and keeps a few places free to be filled later.

That is all the writer asks for, so that one layout serves a file, where a place is filled by seeking back, and an
S3 multipart upload, which cannot seek: there the part with an unfilled place is kept in memory and uploaded when the
last place in it is filled. The head of the archive (descriptor and manifest) is such a place, so the first part goes
last; each disk's tar header is another, so the part a disk begins in waits for the disk's end.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

ZEROS = bytes(64 * 1024)


class Target(Protocol):
    def append(self, data: bytes | memoryview) -> None:
        """Write behind everything there is."""
        ...

    def reserve(self, size_bytes: int) -> int:
        """Leave a place of this size, and go on behind it; its offset, to be given to `fill`."""
        ...

    def fill(self, offset: int, data: bytes) -> None:
        """Write the whole of a reserved place; once, and all of it."""
        ...


class FileTarget:
    """A seekable binary file, from where it stands. Until the head is filled it reads as an empty tar, no OVA."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = file.seek(0, io.SEEK_CUR)
        self.size_bytes = 0

    def append(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self.size_bytes += len(data)

    def reserve(self, size_bytes: int) -> int:
        offset = self.size_bytes
        for done in range(0, size_bytes, len(ZEROS)):
            self.append(ZEROS[: size_bytes - done])
        return offset

    def fill(self, offset: int, data: bytes) -> None:
        self._file.seek(self._start + offset)
        self._file.write(data)
        self._file.seek(self._start + self.size_bytes)


class TeeTarget:
    """Several targets written at once, each from its own beginning."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets

    def append(self, data: bytes | memoryview) -> None:
        for target in self._targets:
            target.append(data)

    def reserve(self, size_bytes: int) -> int:
        (offset,) = {target.reserve(size_bytes) for target in self._targets}
        return offset

    def fill(self, offset: int, data: bytes) -> None:
        for target in self._targets:
            target.fill(offset, data)


@dataclass
class _Part:
    number: int
    data: bytearray = field(default_factory=bytearray)
    unfilled_bytes: int = 0
    whole: bool = False


class PartsTarget:
    """Parts of equal size (the last one shorter), handed to `upload` as soon as nothing in them can change.

    upload: takes the part's number, from 1, and its bytes; called once a part, not in the order of the numbers. Kept in
    memory at once: the first part, the part in which the disk under way began, and the one being collected.
    """

    def __init__(self, upload: Callable[[int, bytes], None], *, part_bytes: int) -> None:
        self._upload = upload
        self._part_bytes = part_bytes
        self._parts = {0: _Part(1)}  # by their index, those not uploaded yet
        self.size_bytes = 0

    def append(self, data: bytes | memoryview) -> None:
        self._take(data, unfilled=False)

    def reserve(self, size_bytes: int) -> int:
        offset = self.size_bytes
        self._take(bytes(size_bytes), unfilled=True)
        return offset

    def fill(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            index, inside = divmod(offset, self._part_bytes)
            piece = view[: self._part_bytes - inside]
            part = self._parts[index]
            part.data[inside : inside + len(piece)] = piece
            part.unfilled_bytes -= len(piece)
            self._send(index)
            offset, view = offset + len(piece), view[len(piece) :]

    def close(self) -> None:
        """Upload what is left; every place must be filled. An archive has at least one part."""
        for index, part in list(self._parts.items()):
            if part.unfilled_bytes:
                raise ValueError(f"part {part.number} has {part.unfilled_bytes} bytes that were never filled")
            part.whole = bool(part.data) or index == 0
            self._send(index)

    def _take(self, data: bytes | memoryview, *, unfilled: bool) -> None:
        view = memoryview(data)
        while view:
            index, inside = divmod(self.size_bytes, self._part_bytes)
            part = self._parts.setdefault(index, _Part(index + 1))
            piece = view[: self._part_bytes - inside]
            part.data += piece
            part.unfilled_bytes += len(piece) if unfilled else 0
            self.size_bytes += len(piece)
            part.whole = len(part.data) == self._part_bytes
            self._send(index)
            view = view[len(piece) :]

    def _send(self, index: int) -> None:
        part = self._parts[index]
        if part.whole and not part.unfilled_bytes:
            del self._parts[index]
            self._upload(part.number, bytes(part.data))
