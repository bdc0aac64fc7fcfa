"""Take ESXi ISOs into the service: checked, hashed, and given a template once."""

import hashlib
import logging
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from steps.domain.errors import HerasphereError, NotFound, Unavailable
from steps.domain.host import Iso
from steps.domain.iso import inspect
from steps.domain.media import check_iso_name
from steps.domain.splice import make_template
from steps.media.store import HeldIso

LOG = logging.getLogger("herasphere.media")
SETTLED_S = 2.0  # a file that was written to more recently may still be copied


def hold(path: Path, name: str) -> HeldIso:
    """The ISO at this path, ready to be held under this name; raises for what is no ESXi ISO, and touches nothing."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise NotFound(f"{path} is no file", where="media service", hint="give the path of an ISO")
        with path.open("rb") as file:
            return _hold(file, path, name)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", where="media service", hint="correct it") from error
    except HerasphereError as error:
        error.where = error.where or name
        raise


def _hold(file: BinaryIO, path: Path, name: str) -> HeldIso:
    before = os.fstat(file.fileno())
    facts = inspect(file)
    template = make_template(file)
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Unavailable("it changed while it was read", hint="wait until it is written, then add it again")
    iso = Iso(sha256=digest.hexdigest(), name=name, size_bytes=status.st_size, version=facts.version, build=facts.build)
    return HeldIso(iso, path, status.st_mtime_ns, template)


def dropped_into(folder: Path, seen: set[tuple[Path, int]]) -> Iterator[HeldIso]:
    """The ISOs that somebody has put into this folder since it was last looked into; `seen` remembers them.

    What is still being written is left for the next look; what is no ESXi ISO is told once, and left alone.
    """
    for path in sorted(folder.glob("*.[iI][sS][oO]")):
        try:
            status = path.stat()
            if (path, status.st_mtime_ns) in seen or time.time() - status.st_mtime < SETTLED_S:
                continue
            seen.add((path, status.st_mtime_ns))
            check_iso_name(path.name, where=str(folder))
            yield hold(path, path.name)
        except (HerasphereError, OSError) as error:
            LOG.warning("%s is not held: %s", path, error)


def open_unchanged(held: HeldIso) -> BinaryIO:
    """The ISO's file, which must still be the one that was taken in: its template fits no other."""
    try:
        file = held.path.open("rb")
    except OSError as error:
        raise _gone(held, error.strerror or "it cannot be read") from error
    try:
        check_unchanged(held, file)
    except HerasphereError:
        file.close()
        raise
    return file


def check_unchanged(held: HeldIso, file: BinaryIO) -> None:
    """Raise Unavailable if this open file is not as it was when it was taken in."""
    status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != (held.iso.size_bytes, held.modified_ns):
        raise _gone(held, "it was changed since it was added")


def is_there(held: HeldIso) -> bool:
    """Whether the ISO can be served now."""
    try:
        open_unchanged(held).close()
    except HerasphereError:
        return False
    return True


def _gone(held: HeldIso, what: str) -> HerasphereError:
    hint = f"put it back, or `hera media add {held.path}` again and start a new run"
    return Unavailable(f"{held.path}: {what}", where="media service", hint=hint)
