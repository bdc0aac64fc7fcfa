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

VERSION = 3  # of the schema
OLDER = (2,)  # becomes the present one by what SCHEMA adds: 3 brought the pages
MAX_CALL_BACKS = 20  # of each event that a lease keeps: the installer sends one

SCHEMA = """
CREATE TABLE IF NOT EXISTS iso (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, path TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL, version TEXT NOT NULL, build TEXT NOT NULL, template TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS lease (
    token TEXT PRIMARY KEY, run TEXT NOT NULL, host TEXT NOT NULL, serial TEXT NOT NULL, url TEXT NOT NULL,
    sha256 TEXT NOT NULL, kickstart BLOB NOT NULL, made REAL NOT NULL, expires REAL NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    served INTEGER NOT NULL DEFAULT 0, coverage BLOB NOT NULL DEFAULT x'', first_read REAL, last_read REAL,
    kickstart_read REAL, origin TEXT NOT NULL DEFAULT '', UNIQUE (run, host)
);
CREATE TABLE IF NOT EXISTS note (
    token TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS page_set (
    token TEXT PRIMARY KEY, run TEXT NOT NULL, name TEXT NOT NULL, bundle TEXT NOT NULL, expires REAL NOT NULL,
    UNIQUE (run, name)
);
CREATE TABLE IF NOT EXISTS page (
    token TEXT NOT NULL, path TEXT NOT NULL, content BLOB NOT NULL, first_read REAL, last_read REAL,
    first_read_by TEXT NOT NULL DEFAULT '', last_read_by TEXT NOT NULL DEFAULT '', PRIMARY KEY (token, path)
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
    url: str  # as it was given to the BMC
    sha256: str
    kickstart: bytes
    made: float  # when the kickstart came
    expires: float
    revoked: bool
    served: int
    coverage: bytearray  # one bit for each block of 64 KiB that was sent
    first_read: float | None
    last_read: float | None
    kickstart_read: float | None
    origin: str = ""  # JSON, of the domain's Origin; empty: not told

    def is_live(self, now: float) -> bool:
        return not self.revoked and self.expires > now


class Store:
    """The service's memory. Used from one thread."""

    def __init__(self, file: Path) -> None:
        file.touch(mode=0o600)  # it holds password hashes
        self.db = sqlite3.connect(file, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")  # a mark on a lease outlives a power cut: steps decide by it
        self.db.execute("PRAGMA secure_delete = ON")  # a hash that is no longer needed is no longer in the file
        self._prepare(file)
        self.grants: dict[str, Grant] = {}
        self.held = self._all_held()
        self.dirty: set[str] = set()

    def _prepare(self, file: Path) -> None:
        tables = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and self.db.execute("PRAGMA user_version").fetchone()[0] not in (VERSION, *OLDER):
            self.db.close()
            hint = "remove the folder, or give the service another one: --folder DIR"
            raise Conflict("its state was made by another version", where=str(file), hint=hint)
        self.db.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")

    def close(self) -> None:
        self.flush()
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done within it reaches the file, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def add_iso(self, held: HeldIso, now: float) -> None:
        """Hold this ISO; one of the same name or content is replaced, unless a lease still needs the other content."""
        iso = held.iso
        with self.transaction():
            other = self.db.execute("SELECT sha256 FROM iso WHERE name = ?", (iso.name,)).fetchone()
            if other and other["sha256"] != iso.sha256:
                self._refuse_if_leased(iso.name, other["sha256"], now)
                older = f"{other['sha256'][:12]}-{iso.name}"  # leases that have ended still tell what they were of
                self.db.execute("UPDATE iso SET name = ? WHERE name = ?", (older, iso.name))
            row = (
                *(iso.sha256, iso.name, str(held.path), iso.size_bytes, held.modified_ns, iso.version, iso.build),
                held.template.model_dump_json(),
            )
            self.db.execute("INSERT OR REPLACE INTO iso VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.held = self._all_held()

    def _all_held(self) -> dict[str, HeldIso]:
        return {held.iso.sha256: held for held in map(_held, self.db.execute("SELECT * FROM iso"))}

    def _refuse_if_leased(self, name: str, sha256: str, now: float) -> None:
        needed = "SELECT run FROM lease WHERE sha256 = ? AND revoked = 0 AND expires > ?"
        lease = self.db.execute(needed, (sha256, now)).fetchone()
        if lease:
            hint = f"wait for run {lease['run']} to end, or give the new ISO another name"
            raise Conflict(f"another ISO named {name} is in use", where="media service", hint=hint)

    def isos(self) -> list[HeldIso]:
        return sorted(self.held.values(), key=lambda held: held.iso.name)

    def has_iso(self, name: str) -> bool:
        return name in self.held or any(held.iso.name == name for held in self.held.values())

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
        with self.transaction():
            other = self.db.execute(
                "SELECT run FROM lease WHERE lower(serial) = lower(?) AND run != ? AND revoked = 0 AND expires > ?",
                (given.serial, given.run, now),
            ).fetchone()
            if other:
                hint = f"wait for {other['run']} to end, or stop it"
                raise Conflict(f"run {other['run']} holds the server {given.serial}", where=given.host, hint=hint)
            known = self._load("SELECT * FROM lease WHERE run = ? AND host = ?", (given.run, given.host))
            if known is None:
                self.db.execute(
                    "INSERT INTO lease (token, run, host, serial, url, sha256, kickstart, made, expires, origin) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(given.token, given.run, given.host, given.serial, given.url),
                        *(given.sha256, given.kickstart, given.made, given.expires, given.origin),
                    ),
                )
                return given
            return self._renew(known, given)

    def _renew(self, known: Grant, given: Grant) -> Grant:
        """The known lease with a new kickstart; once the kickstart was read it may not change any more."""
        same = (known.kickstart, known.sha256) == (given.kickstart, given.sha256)
        if known.revoked:
            hint = "start a new run for this host"
            raise Conflict(f"run {known.run} has ended for this host", where=known.host, hint=hint)
        if not same and known.first_read:
            hint = "start a new run for this host"
            raise Conflict("its ISO was read already and may not change now", where=known.host, hint=hint)
        if not same:
            known.kickstart, known.sha256, known.made = given.kickstart, given.sha256, given.made
        if not known.first_read:  # the service may be reached elsewhere since; a BMC that reads knows the old address
            known.url = given.url.replace(given.token, known.token)
        known.expires = given.expires
        self.db.execute(
            "UPDATE lease SET url = ?, kickstart = ?, sha256 = ?, made = ?, expires = ? WHERE token = ?",
            (known.url, known.kickstart, known.sha256, known.made, known.expires, known.token),
        )
        return known

    def lease(self, run: str, host: str) -> Grant:
        found = self._load("SELECT * FROM lease WHERE run = ? AND host = ?", (run, host))
        if found is None:
            hint = "its step prepare-config makes one"
            raise NotFound(f"run {run} has no ISO for {host}", where="media service", hint=hint)
        return found

    def unrevoked(self) -> list[Grant]:
        """Every lease that no clean-up has ended."""
        tokens = self.db.execute("SELECT token FROM lease WHERE revoked = 0 ORDER BY made").fetchall()
        return [grant for row in tokens if (grant := self.by_token(row["token"]))]

    def by_token(self, token: str) -> Grant | None:
        return self.grants.get(token) or self._load("SELECT * FROM lease WHERE token = ?", (token,))

    def revoke(self, grant: Grant) -> None:
        """End a lease for good; its kickstart, with the hash in it, is needed no more."""
        grant.revoked, grant.kickstart = True, b""
        self.db.execute("UPDATE lease SET revoked = 1, kickstart = x'' WHERE token = ?", (grant.token,))

    def note(self, grant: Grant, kind: str, name: str, text: str, now: float) -> None:
        """Keep a mark; keep a call-back unless there are enough of its kind, as anyone on the host may send them."""
        counted = "SELECT count(*) FROM note WHERE token = ? AND kind = 'callback' AND name = ?"
        if kind == "callback" and self.db.execute(counted, (grant.token, name)).fetchone()[0] >= MAX_CALL_BACKS:
            return
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
        self.db.execute("PRAGMA synchronous = NORMAL")  # counts need not wait for the disk; a crash loses none either
        try:
            self._flush()
        finally:
            self.db.execute("PRAGMA synchronous = FULL")

    def _flush(self) -> None:
        changed = [self.grants[token] for token in self.dirty]
        with self.transaction():
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
