"""Write an OVA in one pass, from disks that come as streams of unknown length, with no second copy of anything.

    tar header, descriptor | tar header, manifest | tar header, disk 1 | tar header, disk 2 | ... | end

Descriptor and manifest stand in front (importers insist on it) but are known last: sizes and sums come with the disks.
So their room is reserved first. It can be, because the manifest's length depends on the files' names alone, and the
descriptor is never longer than with the largest sizes in it. A shorter descriptor is filled up with line ends behind
its last element, where XML allows them; the archive stays plain ustar with no member that no descriptor knows.

**One disk after the other.** A tar member is contiguous, and disk 2 begins where disk 1 ends; the lease tells no disk's
size, only its capacity. Writing disks side by side would need gaps as large as the capacity allows, and a tar has no
legal gap; closing them afterwards means copying the later disks (file systems can cut out whole blocks of 4096 bytes
only, tar goes by 512, object stores cannot cut at all). Holding later disks in memory or in files is what this writer
is for not doing. So `disk` waits until the one before is complete: a step may run a thread for each disk, and open each
lease URL only when it has its turn, so that no connection stands idle. See docs/adr/0011-ova-in-one-pass.md.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from steps.domain.errors import HerasphereError, Unavailable, VerifyFailed
from steps.domain.ova import tar
from steps.domain.ova.manifest import manifest
from steps.domain.ova.target import Target
from steps.domain.ovf.appliance import Appliance
from steps.domain.ovf.descriptor import DiskFile, descriptor, longest_descriptor
from steps.domain.vmdk import VmdkStream

NO_SUM = "0" * 64


@dataclass(frozen=True)
class WrittenFile:
    """A member of the archive."""

    name: str
    size_bytes: int
    sha256: str
    offset: int  # of its first byte in the archive


@dataclass(frozen=True)
class WrittenOva:
    size_bytes: int
    files: tuple[WrittenFile, ...]  # descriptor, manifest, disks
    notes: tuple[str, ...]  # what importers might stumble over


class DiskWriter:
    """Takes one disk's stream, chunk by chunk; `disk` of the writer makes it."""

    def __init__(self, target: Target, file: str, capacity_bytes: int, *, at: int) -> None:
        self._target = target
        self._file = file
        self._capacity_bytes = capacity_bytes
        self._sha256 = hashlib.sha256()
        self._check = VmdkStream(inflate=False)
        self._at = at
        self.size_bytes = 0

    def write(self, chunk: bytes | memoryview) -> None:
        """Append to the disk. Raises as soon as it is no stream-optimized VMDK."""
        self._sha256.update(chunk)
        self._check.feed(chunk)
        if self._check.faults:
            raise self._faulty()
        self._target.append(chunk)
        self.size_bytes += len(chunk)

    def _complete(self) -> tuple[WrittenFile, DiskFile]:
        facts = self._check.finish()
        if self._check.faults:
            raise self._faulty()
        if facts.capacity_bytes != self._capacity_bytes:
            what = f"the disk has {facts.capacity_bytes} bytes, the machine's settings say {self._capacity_bytes}"
            raise VerifyFailed(what, where=self._file, hint="export again; do not change disks meanwhile")
        written = WrittenFile(self._file, self.size_bytes, self._sha256.hexdigest(), self._at)
        return written, DiskFile(self.size_bytes, facts.populated_bytes)

    def _faulty(self) -> HerasphereError:
        """A stream that stops in the middle passes by itself; anything else does not."""
        fault = self._check.faults[0]
        if "cut short" in fault.message:
            hint = "the lease or the connection ended early: export again"
            return Unavailable(f"the disk's stream ended after {self.size_bytes} bytes", where=self._file, hint=hint)
        hint = "the export must deliver stream-optimized VMDKs"
        return VerifyFailed(f"{fault.message} (byte {fault.offset})", where=self._file, hint=hint)


class OvaWriter:
    """Write the disks in their order, each within `disk`, then `finish`. Until then the target holds no OVA."""

    def __init__(self, target: Target, appliance: Appliance, *, mtime_s: int = 0) -> None:
        """mtime_s: the date of every member, seconds since 1970; the same input then gives the same bytes."""
        self._target = target
        self._appliance = appliance
        self._mtime_s = mtime_s
        self._files: dict[str, WrittenFile] = {}
        self._facts: dict[str, DiskFile] = {}
        self._failed = False
        self._turn = threading.Condition()
        self._descriptor_bytes = longest_descriptor(appliance)
        self._manifest_bytes = len(self._manifest(dict.fromkeys(appliance.disk_files, NO_SUM), NO_SUM))
        self._head_bytes = 0
        for size in (self._descriptor_bytes, self._manifest_bytes):
            self._head_bytes += tar.BLOCK + size + tar.padding(size)
        self._head = target.reserve(self._head_bytes)
        self.size_bytes = self._head_bytes

    @contextmanager
    def disk(self, disk_id: str) -> Iterator[DiskWriter]:
        """Write this disk's stream into the archive; waits for the disks before it. An error inside spoils it all."""
        name = self._appliance.disk_files[disk_id]
        self._wait_for(disk_id)
        try:
            header = self._target.reserve(tar.BLOCK)
            writer = DiskWriter(self._target, name, self._capacity_bytes(disk_id), at=self.size_bytes + tar.BLOCK)
            yield writer
            written, facts = writer._complete()
            self._target.append(bytes(tar.padding(written.size_bytes)))
            self._target.fill(header, tar.header(name, written.size_bytes, mtime_s=self._mtime_s))
        except BaseException:
            self.abandon()
            raise
        with self._turn:
            self.size_bytes += tar.BLOCK + written.size_bytes + tar.padding(written.size_bytes)
            self._files[disk_id], self._facts[disk_id] = written, facts
            self._turn.notify_all()

    def abandon(self) -> None:
        """Nothing comes any more: whoever waits for its turn gets an error. For a disk whose stream never began."""
        with self._turn:
            self._failed = True
            self._turn.notify_all()

    def finish(self) -> WrittenOva:
        """Write the end, then the head: only now it is an OVA. Every disk must be there."""
        missing = [name for disk_id, name in self._appliance.disk_files.items() if disk_id not in self._files]
        if missing or self._failed:
            raise VerifyFailed(f"disks are missing: {', '.join(missing)}", hint="write each disk, then finish")
        self._target.append(tar.END)
        self.size_bytes += len(tar.END)
        text = descriptor(self._appliance, self._facts).encode()
        text += b"\n" * (self._descriptor_bytes - len(text))
        sums = {disk_id: file.sha256 for disk_id, file in self._files.items()}
        lines = self._manifest(sums, hashlib.sha256(text).hexdigest())
        first = self._member(self._appliance.descriptor_file, text, at=self._head)
        second_at = self._head + len(first[1])
        second = self._member(self._appliance.manifest_file, lines, at=second_at)
        self._target.fill(self._head, first[1] + second[1])
        large = [file.name for file in self._files.values() if file.size_bytes >= tar.MOST_OCTAL]
        notes = [f"{name} has 8 GiB or more: its size is written as GNU tar does" for name in large]
        return WrittenOva(self.size_bytes, (first[0], second[0], *self._files.values()), tuple(notes))

    def _wait_for(self, disk_id: str) -> None:
        """Until every disk before this one is written."""
        order = list(self._appliance.disk_files)
        before = set(order[: order.index(disk_id)])
        with self._turn:
            self._turn.wait_for(lambda: self._failed or before <= self._files.keys())
            if self._failed or disk_id in self._files:
                raise VerifyFailed(
                    "another disk could not be written" if self._failed else "this disk is written already",
                    where=self._appliance.disk_files[disk_id],
                    hint="begin the archive again",
                )

    def _capacity_bytes(self, disk_id: str) -> int:
        return next(disk.capacity_bytes for disk in self._appliance.hardware.disks if disk.id == disk_id)

    def _manifest(self, sums: dict[str, str], of_descriptor: str) -> bytes:
        named = [(name, sums[disk_id]) for disk_id, name in self._appliance.disk_files.items()]
        return manifest([(self._appliance.descriptor_file, of_descriptor), *named]).encode()

    def _member(self, name: str, data: bytes, *, at: int) -> tuple[WrittenFile, bytes]:
        """A small file with its header and padding."""
        member = tar.header(name, len(data), mtime_s=self._mtime_s) + data + bytes(tar.padding(len(data)))
        return WrittenFile(name, len(data), hashlib.sha256(data).hexdigest(), at + tar.BLOCK), member
