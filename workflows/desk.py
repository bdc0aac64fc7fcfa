"""The desk's side of a host table: its files, its environment, and the ISOs on its disks."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from steps.domain import iso as esxi_iso
from steps.domain.errors import ConfigError, Conflict, Fault, HerasphereError, NotFound
from steps.domain.host import Iso, SecretRef
from steps.domain.media import check_iso_name
from steps.domain.plan import InstallPlan, plan_install
from steps.domain.source import MAX_BYTES
from steps.domain.table_checks import Surroundings
from workflows.desk_secrets import DeskSecrets, Engine, opened


@dataclass
class Desk:
    """A host table on this machine, and what it refers to.

    engine: where the run will happen; a reference that cannot be resolved there is a fault of the table
    held: for a run on a cluster: the ISO of this name at its media service, NotFound if that has none
    isos: what has been met so far, for the run to hand on
    """

    table: Path
    environment: Mapping[str, str]
    engine: Engine = "local"
    held: Callable[[str], Iso] | None = None
    isos: dict[Path, Iso] = field(default_factory=dict)

    def plan(self, *, only: list[str] | None = None, reinstall: bool = False) -> InstallPlan:
        """The plan of the table; ConfigError with all its faults."""
        around = Surroundings(read_secret=self.kept.read, find_iso=self.find_iso)
        return plan_install(self.text, str(self.table), around, only=only or (), reinstall=reinstall)

    @cached_property
    def kept(self) -> DeskSecrets:
        """The secrets the table refers to; a file's path is relative to the table's folder."""
        return DeskSecrets([self.table.parent], self.environment, self.engine)

    @property
    def secrets(self) -> dict[SecretRef, str]:
        """Those met so far that the run must be given."""
        return self.kept.texts

    @property
    def references(self) -> set[SecretRef]:
        """All met so far."""
        return self.kept.references

    @cached_property
    def text(self) -> bytes:
        """The table's bytes, read once: a pipe has no second time, and what was confirmed is what runs."""
        try:
            with self.table.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            hint = "give the path of a host table; config/hosts.example.yaml is one"
            raise ConfigError([Fault(str(self.table), 0, 0, f"cannot be read: {error.strerror}", hint)]) from error

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
            with opened(path) as file:
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
