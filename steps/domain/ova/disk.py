"""One disk on its way into the archive: summed and checked as it comes, written when it has its turn."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from steps.domain.errors import HerasphereError, Unavailable, VerifyFailed
from steps.domain.ova import tar
from steps.domain.ova.target import Target
from steps.domain.ova.turns import Turns
from steps.domain.ovf.descriptor import DiskFile
from steps.domain.vmdk import VmdkStream

CHUNK_BYTES = 1 << 20


class Spooled(Protocol):
    """An empty file which is gone when it is closed."""

    def write(self, data: bytes | memoryview, /) -> int: ...
    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int, /) -> int: ...
    def close(self) -> None: ...


Spool = Callable[[], Spooled]


@dataclass(frozen=True)
class WrittenFile:
    """A member of the archive."""

    name: str
    size_bytes: int
    sha256: str
    offset: int  # of its first byte in the archive


class DiskWriter:
    """Takes one disk's stream, chunk by chunk, best in chunks of a MiB; `disk` of the writer makes it."""

    def __init__(self, target: Target, turns: Turns, file: str, capacity_bytes: int, spool: Spool | None) -> None:
        self._target = target
        self._turns = turns
        self._file = file
        self._capacity_bytes = capacity_bytes
        self._sha256 = hashlib.sha256()
        self._check = VmdkStream(inflate=False)
        self._spool = spool() if spool else None  # what came before its turn
        self._header: int | None = None  # where its tar header goes; None: it is not its turn yet
        self.size_bytes = 0

    def write(self, chunk: bytes | memoryview) -> None:
        """Take what comes next. Raises as soon as it is no stream-optimized VMDK, or another disk has failed."""
        self._sha256.update(chunk)
        self._check.feed(chunk)
        if self._check.faults:
            raise self._faulty()
        if self._header is None and self._turns.has_come(self._file):
            self._begin()
        if self._header is not None or self._spool is None:
            self._target.append(chunk)
        else:
            self._spool.write(chunk)
        self.size_bytes += len(chunk)

    def begin(self) -> None:
        """Wait for its turn. From now on what comes goes into the archive, behind what came before."""
        self._turns.wait(self._file)
        if self._header is None:
            self._begin()

    def complete(self, *, mtime_s: int) -> tuple[WrittenFile, DiskFile]:
        """Nothing more comes: check that it was all, and put its header in front of it."""
        facts = self._check.finish()
        if self._check.faults:
            raise self._faulty()
        if facts.capacity_bytes != self._capacity_bytes:
            what = f"the disk has {facts.capacity_bytes} bytes, the machine's settings say {self._capacity_bytes}"
            raise VerifyFailed(what, where=self._file, hint="export again; do not change disks meanwhile")
        self.begin()
        assert self._header is not None
        self._target.append(bytes(tar.padding(self.size_bytes)))
        self._target.fill(self._header, tar.header(self._file, self.size_bytes, mtime_s=mtime_s))
        offset = self._header + tar.BLOCK
        written = WrittenFile(self._file, self.size_bytes, self._sha256.hexdigest(), offset)
        return written, DiskFile(self.size_bytes, facts.populated_bytes)

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def _begin(self) -> None:
        self._header = self._target.reserve(tar.BLOCK)
        if self._spool is not None:
            self._spool.seek(0, io.SEEK_SET)
            while chunk := self._spool.read(CHUNK_BYTES):
                self._target.append(chunk)
            self._spool.close()

    def _faulty(self) -> HerasphereError:
        """A stream that stops in the middle passes by itself; anything else does not."""
        fault = self._check.faults[0]
        if "cut short" in fault.message:
            hint = "the lease or the connection ended early: export again"
            return Unavailable(f"the disk's stream ended after {self.size_bytes} bytes", where=self._file, hint=hint)
        hint = "the export must deliver stream-optimized VMDKs"
        return VerifyFailed(f"{fault.message} (byte {fault.offset})", where=self._file, hint=hint)
