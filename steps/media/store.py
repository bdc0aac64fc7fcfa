"""What the media service knows, in one SQLite file: a crash or a restart loses nothing but the last second's counts."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.domain.errors import Conflict, NotFound
from steps.domain.host import Iso
from steps.domain.splice import Template

MAX_NOTES = 200  # call-backs and marks a lease keeps: the installer sends three

SCHEMA = """
CREATE TABLE IF NOT EXISTS iso (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, path TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL, version TEXT NOT NULL, build TEXT NOT NULL, template TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS lease (
    token TEXT PRIMARY KEY, run TEXT NOT NULL, host TEXT NOT NULL, serial TEXT NOT NULL, sha256 TEXT NOT NULL,
    kickstart BLOB NOT NULL, expires REAL NOT NULL, revoked INTEGER NOT NULL DEFAULT 0,
    served INTEGER NOT NULL DEFAULT 0, coverage BLOB NOT NULL DEFAULT x'', first_read REAL, last_read REAL,
    kickstart_read REAL, UNIQUE (run, host)
);
CREATE TABLE IF NOT EXISTS note (
    token TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS note_of_lease ON note (token);
CREATE INDEX IF NOT EXISTS lease_of_server ON lease (serial);
"""


@dataclass(frozen=True)
class HeldIso:
    """An ISO the service holds, where its bytes are, and its template."""

    iso: Iso
    path: Path
    modified_ns: int
    template: Template


@dataclass(frozen=True)
class Note:
    """A mark of a step, or a call-back of the installer."""

    kind: str  # "mark" or "callback"
    name: str
    text: str
    at: float


@dataclass
class Grant:
    """One lease as it is stored. The counts are ahead of the file by up to a second; see Store.flush."""

    token: str
    run: str
    host: str
    serial: str
    sha256: str
    kickstart: bytes
    expires: float
    revoked: bool
    served: int
    coverage: bytearray  # one bit for each block of 64 KiB that was sent
    first_read: float | None
    last_read: float | None
    kickstart_read: float | None

    def is_live(self, now: float) -> bool:
        return not self.revoked and self.expires > now


class Store:
    """The service's memory. Used from one thread."""

    def __init__(self, file: Path) -> None:
        self.db = sqlite3.connect(file, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")  # safe against a crash of the service, in WAL mode
        self.db.executescript(SCHEMA)
        self.grants: dict[str, Grant] = {}
        self.held = {held.iso.sha256: held for held in map(_held, self.db.execute("SELECT * FROM iso"))}
        self.dirty: set[str] = set()

    def close(self) -> None:
        self.flush()
        self.db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def add_iso(self, held: HeldIso) -> None:
        """Hold this ISO; one of the same name or content is replaced, unless a lease still needs the other content."""
        iso = held.iso
        with self._transaction():
            other = self.db.execute("SELECT sha256 FROM iso WHERE name = ?", (iso.name,)).fetchone()
            if other and other["sha256"] != iso.sha256:
                self._refuse_if_leased(iso.name, other["sha256"])
                self.db.execute("DELETE FROM iso WHERE name = ?", (iso.name,))
            row = (
                *(iso.sha256, iso.name, str(held.path), iso.size_bytes, held.modified_ns, iso.version, iso.build),
                held.template.model_dump_json(),
            )
            self.db.execute("INSERT OR REPLACE INTO iso VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.held = {sha256: h for sha256, h in self.held.items() if h.iso.name != iso.name} | {iso.sha256: held}

    def _refuse_if_leased(self, name: str, sha256: str) -> None:
        needed = "SELECT run FROM lease WHERE sha256 = ? AND revoked = 0 AND expires > unixepoch()"
        lease = self.db.execute(needed, (sha256,)).fetchone()
        if lease:
            hint = f"wait for run {lease['run']} to end, or give the new ISO another name"
            raise Conflict(f"another ISO named {name} is in use", where="media service", hint=hint)

    def isos(self) -> list[HeldIso]:
        return sorted(self.held.values(), key=lambda held: held.iso.name)

    def iso(self, name: str) -> HeldIso:
        """By file name or SHA-256."""
        found = self.held.get(name) or next((held for held in self.held.values() if held.iso.name == name), None)
        if found is None:
            hint = f"`hera media add {name}` gives it to the service"
            raise NotFound(f"there is no ISO {name}", where="media service", hint=hint)
        return found

    def grant(self, given: Grant, now: float) -> Grant:
        """Lend a host its ISO. For the same run and host again it is the same lease, with the kickstart it had when
        it was first read; a live lease of another run for the same server is a Conflict."""
        with self._transaction():
            other = self.db.execute(
                "SELECT run FROM lease WHERE serial = ? AND run != ? AND revoked = 0 AND expires > ?",
                (given.serial, given.run, now),
            ).fetchone()
            if other:
                hint = f"wait for {other['run']} to end, or stop it"
                raise Conflict(f"run {other['run']} holds the server {given.serial}", where=given.host, hint=hint)
            known = self._load("SELECT * FROM lease WHERE run = ? AND host = ?", (given.run, given.host))
            if known is None:
                self.db.execute(
                    "INSERT INTO lease (token, run, host, serial, sha256, kickstart, expires) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*(given.token, given.run, given.host, given.serial, given.sha256), given.kickstart, given.expires),
                )
                return given
            return self._renew(known, given)

    def _renew(self, known: Grant, given: Grant) -> Grant:
        """The known lease with a new kickstart; once the kickstart was read it may not change any more."""
        same = (known.kickstart, known.sha256) == (given.kickstart, given.sha256)
        if known.revoked:
            hint = "start a new run for this host"
            raise Conflict(f"run {known.run} has ended for this host", where=known.host, hint=hint)
        if not same and known.served:
            hint = "start a new run for this host"
            raise Conflict("its ISO was read already and may not change now", where=known.host, hint=hint)
        known.kickstart, known.sha256, known.expires = given.kickstart, given.sha256, given.expires
        self.db.execute(
            "UPDATE lease SET kickstart = ?, sha256 = ?, expires = ? WHERE token = ?",
            (known.kickstart, known.sha256, known.expires, known.token),
        )
        return known

    def lease(self, run: str, host: str) -> Grant:
        found = self._load("SELECT * FROM lease WHERE run = ? AND host = ?", (run, host))
        if found is None:
            hint = "its step prepare-config makes one"
            raise NotFound(f"run {run} has no ISO for {host}", where="media service", hint=hint)
        return found

    def by_token(self, token: str) -> Grant | None:
        return self.grants.get(token) or self._load("SELECT * FROM lease WHERE token = ?", (token,))

    def revoke(self, grant: Grant) -> None:
        grant.revoked = True
        self.db.execute("UPDATE lease SET revoked = 1 WHERE token = ?", (grant.token,))

    def note(self, grant: Grant, kind: str, name: str, text: str, now: float) -> None:
        count = self.db.execute("SELECT count(*) FROM note WHERE token = ?", (grant.token,)).fetchone()[0]
        if count < MAX_NOTES:
            self.db.execute("INSERT INTO note VALUES (?, ?, ?, ?, ?)", (grant.token, kind, name, text, now))

    def notes(self, grant: Grant) -> list[Note]:
        rows = self.db.execute("SELECT kind, name, text, at FROM note WHERE token = ? ORDER BY rowid", (grant.token,))
        return [Note(*row) for row in rows]

    def touched(self, grant: Grant) -> None:
        """Its counts have changed; they reach the file with the next flush."""
        self.dirty.add(grant.token)

    def flush(self) -> None:
        """Write down all counts that changed."""
        if not self.dirty:
            return
        changed = [self.grants[token] for token in self.dirty]
        with self._transaction():
            self.db.executemany(
                "UPDATE lease SET served = ?, coverage = ?, first_read = ?, last_read = ?, kickstart_read = ? "
                "WHERE token = ?",
                [(g.served, bytes(g.coverage), g.first_read, g.last_read, g.kickstart_read, g.token) for g in changed],
            )
        self.dirty.clear()

    def _load(self, query: str, values: tuple[Any, ...]) -> Grant | None:
        """A lease; one that is in memory already is that very object, as its counts are the newer ones."""
        row = self.db.execute(query, values).fetchone()
        if row is None:
            return None
        fields = dict(row) | {"revoked": bool(row["revoked"]), "coverage": bytearray(row["coverage"])}
        return self.grants.setdefault(row["token"], Grant(**fields))


def new_token() -> str:
    """43 characters nobody can guess."""
    return secrets.token_urlsafe(32)


def _held(row: sqlite3.Row) -> HeldIso:
    iso = Iso(**{key: row[key] for key in Iso.model_fields})
    return HeldIso(iso, Path(row["path"]), row["modified_ns"], Template.model_validate(json.loads(row["template"])))
