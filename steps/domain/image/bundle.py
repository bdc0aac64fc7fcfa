"""The files that settings refer to, as one tar whose name is its SHA-256: the same files make the same bytes.

A name of the settings ("kickstart/http", "scripts/k3s.sh") is a folder of the tar; in it lie the files it means.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from steps.domain.errors import NotFound

EXECUTABLE, PLAIN = 0o755, 0o644


@dataclass(frozen=True)
class Reference:
    """A name of the settings. inside: it means what the folder of that name holds, not the folder"""

    name: str
    inside: bool = False

    @property
    def folder(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Member:
    """A file that a name means. path: below the name, with '/'"""

    reference: Reference
    path: str
    file: Path

    @property
    def tar_name(self) -> str:
        return f"{self.reference.folder}/{self.path}"


@dataclass(frozen=True)
class BundledFile:
    """A file out of a bundle."""

    path: str
    content: bytes
    is_executable: bool


class _Counting:
    """Passes bytes on and hashes them."""

    def __init__(self, target: BinaryIO | None) -> None:
        self.target = target
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        if self.target is not None:
            self.target.write(data)
        return len(data)


def pack(members: Iterable[Member], target: BinaryIO | None = None) -> str:
    """Write the bundle and return its SHA-256; without a target only that. OSError for what cannot be read."""
    out = _Counting(target)
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for member in sorted(set(members), key=lambda each: each.tar_name):
            with member.file.open("rb") as file:
                status = member.file.stat()
                entry = tarfile.TarInfo(member.tar_name)
                entry.size = status.st_size
                entry.mode = EXECUTABLE if status.st_mode & 0o100 else PLAIN
                tar.addfile(entry, file)
    return out.digest.hexdigest()


def unpack(bundle: BinaryIO, name: str) -> Iterator[BundledFile]:
    """The files that this name means, in the order of their paths; NotFound if the bundle has none."""
    folder = Reference(name).folder
    found = False
    with tarfile.open(fileobj=bundle, mode="r|") as tar:
        for entry in tar:
            parts = PurePosixPath(entry.name).parts
            if not entry.isfile() or parts[:1] != (folder,) or ".." in parts:
                continue
            file = tar.extractfile(entry)
            assert file is not None  # it is a file
            found = True
            yield BundledFile("/".join(parts[1:]), file.read(), bool(entry.mode & 0o100))
    if not found:
        raise NotFound(f"the files of {name!r} are not in the bundle", hint="`hera submit` and `hera run` make it")
