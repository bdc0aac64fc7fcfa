"""Write an OVA in one pass, from disks that come as streams of unknown length, with no second copy of anything.

    tar header, descriptor | tar header, manifest | tar header, disk 1 | tar header, disk 2 | ... | end

Descriptor and manifest stand in front (importers insist on it) but are known last: sizes and sums come with the disks.
So their room is reserved first. It can be, because the manifest's length depends on the files' names alone, and the
descriptor is never longer than with the largest sizes in it. A shorter descriptor is filled up with line ends behind
its last element, where XML allows them; the archive stays plain ustar with no member that no descriptor knows.

**One disk after the other.** A tar member is contiguous, and disk 2 begins where disk 1 ends; the lease tells no disk's
size, only its capacity. Writing disks side by side would need gaps as large as the capacity allows, and a tar has no
legal gap; closing them afterwards means copying the later disks (file systems can cut out whole blocks of 4096 bytes
only, tar goes by 512, object stores cannot cut at all). So `disk` waits until the one before is complete: open each
lease URL only inside, so that no connection stands idle.

**Several at a time** where the source is slower than what is written to: with a `spool` each disk is read, summed and
checked at once from its own thread, and what comes before its turn is kept in the spool until then. A spool that holds
its first part in memory costs nothing for disks that are nearly empty; whatever it puts on a disk is written twice.
See docs/adr/0011-ova-in-one-pass.md.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from steps.domain.errors import VerifyFailed
from steps.domain.ova import tar
from steps.domain.ova.disk import DiskWriter, Spool, WrittenFile
from steps.domain.ova.manifest import manifest
from steps.domain.ova.target import Target
from steps.domain.ova.turns import Turns
from steps.domain.ovf.appliance import Appliance
from steps.domain.ovf.descriptor import DiskFile, descriptor, longest_descriptor
from steps.domain.vmdk import most_bytes as most_disk_bytes

NO_SUM = "0" * 64


@dataclass(frozen=True)
class WrittenOva:
    size_bytes: int
    files: tuple[WrittenFile, ...]  # descriptor, manifest, disks
    notes: tuple[str, ...]  # what importers might stumble over


class OvaWriter:
    """Write the disks in their order, each within `disk`, then `finish`. Until then the target holds no OVA."""

    def __init__(self, target: Target, appliance: Appliance, *, mtime_s: int = 0, spool: Spool | None = None) -> None:
        """The target must not be written to by anybody else.

        mtime_s: the date of every member, seconds since 1970; the same input then gives the same bytes
        spool:   opens what keeps a disk that comes before its turn, e.g. a SpooledTemporaryFile beside the archive;
                 None: the disk waits
        """
        self._target = target
        self._appliance = appliance
        self._mtime_s = mtime_s
        self._files: dict[str, WrittenFile] = {}
        self._facts: dict[str, DiskFile] = {}
        self._turns = Turns(appliance.disk_files.values())
        self._spool = spool
        self._descriptor_bytes = longest_descriptor(appliance)
        self._manifest_bytes = len(self._manifest(dict.fromkeys(appliance.disk_files, NO_SUM), NO_SUM))
        self._head = target.reserve(_in_tar(self._descriptor_bytes) + _in_tar(self._manifest_bytes))

    @contextmanager
    def disk(self, disk_id: str) -> Iterator[DiskWriter]:
        """Write this disk's stream into the archive, in its turn. An error inside spoils the whole archive."""
        name = self._appliance.disk_files[disk_id]
        capacity_bytes = next(disk.capacity_bytes for disk in self._appliance.hardware.disks if disk.id == disk_id)
        with closing(DiskWriter(self._target, self._turns, name, capacity_bytes, self._spool)) as writer:
            try:
                if self._spool is None:
                    writer.begin()
                yield writer
                self._files[disk_id], self._facts[disk_id] = writer.complete(mtime_s=self._mtime_s)
            except BaseException:
                self.abandon()
                raise
        self._turns.done(name)

    def abandon(self) -> None:
        """Nothing comes any more: whoever waits for its turn gets an error. For a disk whose stream never began."""
        self._turns.abandon()

    def finish(self) -> WrittenOva:
        """Write the end, then the head: only now it is an OVA. Every disk must be there."""
        missing = [name for disk_id, name in self._appliance.disk_files.items() if disk_id not in self._files]
        if not self._turns.all_done:
            raise VerifyFailed(f"disks are missing: {', '.join(missing)}", hint="write each disk, then finish")
        self._target.append(tar.END)
        text = descriptor(self._appliance, self._facts).encode()
        text += b"\n" * (self._descriptor_bytes - len(text))
        sums = {disk_id: file.sha256 for disk_id, file in self._files.items()}
        lines = self._manifest(sums, hashlib.sha256(text).hexdigest())
        first = self._member(self._appliance.descriptor_file, text, at=self._head)
        second_at = self._head + len(first[1])
        second = self._member(self._appliance.manifest_file, lines, at=second_at)
        self._target.fill(self._head, first[1] + second[1])
        files = (first[0], second[0], *(self._files[disk_id] for disk_id in self._appliance.disk_files))
        large = [file.name for file in files if file.size_bytes >= tar.MOST_OCTAL]
        notes = [f"{name} has 8 GiB or more: its size is written as GNU tar does" for name in large]
        size_bytes = sum(_in_tar(file.size_bytes) for file in files) + len(tar.END)
        return WrittenOva(size_bytes, files, tuple(notes))

    def _manifest(self, sums: dict[str, str], of_descriptor: str) -> bytes:
        named = [(name, sums[disk_id]) for disk_id, name in self._appliance.disk_files.items()]
        return manifest([(self._appliance.descriptor_file, of_descriptor), *named]).encode()

    def _member(self, name: str, data: bytes, *, at: int) -> tuple[WrittenFile, bytes]:
        """A small file with its header and padding."""
        member = tar.header(name, len(data), mtime_s=self._mtime_s) + data + bytes(tar.padding(len(data)))
        return WrittenFile(name, len(data), hashlib.sha256(data).hexdigest(), at + tar.BLOCK), member


def _in_tar(size_bytes: int) -> int:
    """What a file of this size takes of the archive."""
    return tar.BLOCK + size_bytes + tar.padding(size_bytes)


def most_bytes(appliance: Appliance) -> int:
    """What the archive takes at the most, if nothing in its disks can be compressed: to choose the size of S3's parts
    (there are 10,000 at the most), not to refuse a folder: most archives are much smaller."""
    disks = [most_disk_bytes(disk.capacity_bytes) for disk in appliance.hardware.disks]
    small = 2 * longest_descriptor(appliance)  # the manifest is shorter than the descriptor
    return sum(map(_in_tar, (small, *disks))) + tar.BLOCK + len(tar.END)
