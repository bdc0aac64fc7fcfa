"""An OVA out of streams: in one pass, beside "download to a folder, then pack", as Packer's users do it.

What streams is given: a lease's URLs, or anything that can be opened twice. The peer does what image-builder's script
does, in this interpreter too: each disk into a file, sums by reading the files, a tar of them by tarfile.
"""

import hashlib
import os
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from steps.domain.ova import FileTarget, OvaWriter
from steps.domain.ova.manifest import manifest
from steps.domain.ovf import Appliance, DiskFile, descriptor

Streams = Mapping[str, Callable[[], Iterable[bytes]]]  # by disk id: opens the stream of chunks


@dataclass(frozen=True)
class Cost:
    seconds: float
    written_bytes: int  # to files, whatever the operating system makes of it
    ova_bytes: int

    @property
    def written_per_byte(self) -> float:
        return self.written_bytes / self.ova_bytes


class _Counted:
    """A file that counts what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.written_bytes = 0

    def write(self, data: bytes) -> int:
        self.written_bytes += len(data)
        return self.file.write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


def one_pass(appliance: Appliance, streams: Streams, folder: Path) -> Cost:
    """The streams straight into the archive."""
    started = time.perf_counter()
    with (folder / "one-pass.ova").open("wb") as file:
        counted = _Counted(file)
        writer = OvaWriter(FileTarget(counted), appliance)  # type: ignore[arg-type]
        for disk_id in appliance.disk_files:
            with writer.disk(disk_id) as disk:
                for chunk in streams[disk_id]():
                    disk.write(chunk)
        written = writer.finish()
        _onto_the_disk(file)
    return Cost(time.perf_counter() - started, counted.written_bytes, written.size_bytes)


def download_then_pack(appliance: Appliance, streams: Streams, folder: Path) -> Cost:
    """The streams into files, their sums from the files, the files into the archive."""
    started = time.perf_counter()
    written_bytes = 0
    files: dict[str, DiskFile] = {}
    for disk_id, name in appliance.disk_files.items():
        with (folder / name).open("wb") as file:
            for chunk in streams[disk_id]():
                file.write(chunk)
            _onto_the_disk(file)
        files[disk_id] = DiskFile((folder / name).stat().st_size, 0)
        written_bytes += files[disk_id].size_bytes
    (folder / appliance.descriptor_file).write_text(descriptor(appliance, files))
    names = [appliance.descriptor_file, *appliance.disk_files.values()]
    (folder / appliance.manifest_file).write_text(manifest((name, _sum_of(folder / name)) for name in names))
    with (folder / "packed.ova").open("wb") as file:
        counted = _Counted(file)
        with tarfile.open(fileobj=counted, mode="w", format=tarfile.USTAR_FORMAT) as archive:  # type: ignore[call-overload]
            for name in (appliance.descriptor_file, appliance.manifest_file, *appliance.disk_files.values()):
                archive.add(folder / name, arcname=name)
        _onto_the_disk(file)
    size_bytes = (folder / "packed.ova").stat().st_size
    return Cost(time.perf_counter() - started, written_bytes + counted.written_bytes, size_bytes)


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _onto_the_disk(file: BinaryIO) -> None:
    """Both pay for what the operating system would otherwise write after the clock stopped."""
    file.flush()
    os.fsync(file.fileno())
