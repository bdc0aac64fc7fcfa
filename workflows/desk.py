"""The desk's side of a host table: its files, its environment, and the ISOs on its disks."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Literal

from steps.domain import iso as esxi_iso
from steps.domain.errors import ConfigError, Conflict, Fault, HerasphereError, NotFound
from steps.domain.host import Iso, SecretRef
from steps.domain.media import check_iso_name
from steps.domain.plan import InstallPlan, plan_install
from steps.domain.source import MAX_BYTES
from steps.domain.table import SecretEntry
from steps.domain.table_checks import Surroundings

Engine = Literal["local", "argo"]

MAX_SECRET_BYTES = 64 * 1024  # a bundle of CA certificates is the largest


@dataclass
class Desk:
    """A host table on this machine, and what it refers to.

    engine: where the run will happen; a reference that cannot be resolved there is a fault of the table
    held: for a run on a cluster: the ISO of this name at its media service, NotFound if that has none
    secrets, references and isos: what has been met so far, for the run to hand on
    """

    table: Path
    environment: Mapping[str, str]
    engine: Engine = "local"
    held: Callable[[str], Iso] | None = None
    secrets: dict[SecretRef, str] = field(default_factory=dict)
    references: set[SecretRef] = field(default_factory=set)
    isos: dict[Path, Iso] = field(default_factory=dict)

    def plan(self, *, only: list[str] | None = None, reinstall: bool = False) -> InstallPlan:
        """The plan of the table; ConfigError with all its faults."""
        around = Surroundings(read_secret=self.read_secret, find_iso=self.find_iso)
        return plan_install(self.text, str(self.table), around, only=only or (), reinstall=reinstall)

    @cached_property
    def text(self) -> bytes:
        """The table's bytes, read once: a pipe has no second time, and what was confirmed is what runs."""
        try:
            with self.table.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            hint = "give the path of a host table; config/hosts.example.yaml is one"
            raise ConfigError([Fault(str(self.table), 0, 0, f"cannot be read: {error.strerror}", hint)]) from error

    def read_secret(self, entry: SecretEntry) -> str | None:
        """The secret's text; None for a Kubernetes Secret, which only the cluster can read."""
        self.references.add(entry.ref)
        if entry.secret:
            if self.engine == "local":
                hint = "use {env: NAME} or {file: PATH}, or submit the run to the cluster"
                raise NotFound(f"{entry} cannot be read by a run on this machine", hint=hint)
            return None
        text = self._from_environment(entry.env) if entry.env else self._from_file(entry.file or "")
        self.secrets[entry.ref] = text
        return text

    def _from_environment(self, name: str) -> str:
        if name not in self.environment:
            raise NotFound(f"environment variable {name} is not set", hint=f"export {name}, or use {{file: PATH}}")
        return self.environment[name]

    def _from_file(self, name: str) -> str:
        path = self.table.parent / name
        try:
            with _opened(path) as file:
                text = file.read(MAX_SECRET_BYTES + 1).decode()
        except OSError as error:
            raise NotFound(f"file {path} cannot be read: {error.strerror}", hint="correct the path") from error
        except UnicodeDecodeError as error:
            raise NotFound(f"file {path} is no text", hint="a file that holds only the secret") from error
        if len(text) > MAX_SECRET_BYTES:
            what = f"file {path} is larger than {MAX_SECRET_BYTES // 1024} KiB"
            raise NotFound(what, hint="a file that holds only the secret")
        return text.removesuffix("\n").removesuffix("\r")

    def find_iso(self, name: str) -> Iso:
        """What ESXi the ISO at this path holds; a path is relative to the table's folder.

        For a cluster the media service must hold the same one; it need not be on the desk then.
        """
        path = self.table.parent / name
        check_iso_name(path.name, where=str(path))
        if self.held is None:
            return self._iso_at(path)
        if not path.exists():
            return self._held_by_cluster(path, f"there is no file {path}, and ")
        own = self._iso_at(path)
        there = self._held_by_cluster(path, "")
        if there.sha256 not in ("", own.sha256):  # empty: nobody could be asked
            what = f"the cluster holds another {path.name}: sha256 {there.sha256[:12]}…, here {own.sha256[:12]}…"
            raise Conflict(what, hint=f"`hera media add {path} --cluster`, or another name for one of them")
        return own

    def _held_by_cluster(self, path: Path, before: str) -> Iso:
        assert self.held is not None
        try:
            return self.held(path.name)
        except NotFound as error:
            what = f"{before}the cluster's media service has no {path.name}"
            raise NotFound(what, hint=f"`hera media add {path} --cluster`") from error

    def _iso_at(self, path: Path) -> Iso:
        try:
            with _opened(path) as file:
                facts = esxi_iso.inspect(file)
                file.seek(0)
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise NotFound(f"ISO {path} cannot be read: {error.strerror}", hint="correct the path") from error
        except HerasphereError as error:
            error.where = error.where or str(path)
            raise
        found = Iso(
            sha256=sha256,
            name=path.name,
            size_bytes=path.stat().st_size,
            version=facts.version,
            build=facts.build,
        )
        self.isos[path.resolve()] = found
        return found


def _opened(path: Path) -> BufferedReader:
    """The file at this path; OSError for what is none: a device may never end, a pipe may never begin."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, "a file name has no NUL character") from error
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):  # a DVD drive is a block device
        raise OSError(errno.EINVAL, "it is no file, but a device or a pipe")
    return path.open("rb")
