"""What is kept of runs: reports and logs, as files below one folder that an index in SQLite finds; and its API."""

import re
import sqlite3
import time
from pathlib import Path

from aiohttp import web

from steps.domain.errors import NotFound, Unavailable, Unsupported
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


class RunRoutes:
    """Handlers below /v1/runs."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/runs", self.list_runs),
            web.delete("/v1/runs", self.forget_runs),
            web.get("/v1/runs/{run}", self.list_files),
            web.get("/v1/runs/{run}/files/{name:.+}", self.get_file),
            web.put("/v1/runs/{run}/files/{name:.+}", self.put_file),
        ]

    async def list_runs(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.runs.runs())

    async def forget_runs(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.runs.forget(time.time() - float(request.query["older_than_s"])))

    async def list_files(self, request: web.Request) -> web.StreamResponse:
        files = self.runs.files(request.match_info["run"])
        return web.json_response([file.model_dump(mode="json") for file in files])

    async def get_file(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"text": self.runs.file(request.match_info["run"], request.match_info["name"])})

    async def put_file(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        try:
            self.runs.put(request.match_info["run"], request.match_info["name"], content)
        except OSError as error:
            what = f"it cannot be kept: {error.strerror}"
            raise Unavailable(what, where="run store", hint=f"make room in {self.runs.folder}") from error
        return web.json_response({}, status=201)
