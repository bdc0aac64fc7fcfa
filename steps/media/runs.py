"""What is kept of runs: reports and logs, as files below one folder, found by an index in SQLite."""

import re
import sqlite3
import time
from pathlib import Path

from steps.domain.errors import NotFound, Unsupported
from steps.domain.media import KeptFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    run TEXT NOT NULL, name TEXT NOT NULL, size_bytes INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (run, name)
);
"""
RUN = r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?"  # as Kubernetes names a Workflow
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}"


class Runs:
    """Files of runs. Used from one thread; a file is in the index only when it is whole on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.db = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.executescript(SCHEMA)

    def close(self) -> None:
        self.db.close()

    def put(self, run: str, name: str, content: bytes) -> None:
        """Keep a file; one of the same name is replaced whole."""
        path = self._path(run, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_bytes(content)
        new.replace(path)
        self.db.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", (run, name, len(content), time.time()))

    def file(self, run: str, name: str) -> str:
        """A kept file's text; NotFound."""
        try:
            return self._path(run, name).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            hint = "`hera list` shows the runs; a report is kept when its run has ended"
            raise NotFound(f"there is no {name} of {run}", where="run store", hint=hint) from error

    def files(self, run: str) -> list[KeptFile]:
        rows = self.db.execute("SELECT name, size_bytes, at FROM file WHERE run = ? ORDER BY name", (run,))
        return [KeptFile.model_validate({"name": name, "size_bytes": size, "at": at}) for name, size, at in rows]

    def runs(self) -> list[str]:
        """The newest first."""
        return [run for (run,) in self.db.execute("SELECT run FROM file GROUP BY run ORDER BY max(at) DESC, run")]

    def forget(self, before: float) -> list[str]:
        """Drop the runs whose newest file is older than this moment; returns their names."""
        old = "SELECT run FROM file GROUP BY run HAVING max(at) < ? ORDER BY run"
        gone = [run for (run,) in self.db.execute(old, (before,))]
        for run in gone:
            for kept in self.files(run):
                self._path(run, kept.name).unlink(missing_ok=True)
            for folder in sorted((self.folder / run).glob("**/"), reverse=True):
                folder.rmdir()
            self.db.execute("DELETE FROM file WHERE run = ?", (run,))
        return gone

    def _path(self, run: str, name: str) -> Path:
        """Where the file lies; never outside of the run's folder."""
        if not re.fullmatch(RUN, run) or not re.fullmatch(NAME, name):
            raise Unsupported(f"{run}/{name} names no file of a run", where="run store", hint="letters, digits, . _ -")
        return self.folder / run / name
