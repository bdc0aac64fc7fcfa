"""The control port: what steps and `hera media` ask of the service. JSON under /v1, every call with the token."""

import asyncio
import hmac
import os
import re
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web

from steps.domain.errors import (
    AccessDenied,
    Conflict,
    HerasphereError,
    NotFound,
    Unavailable,
    Unsupported,
    VerifyFailed,
)
from steps.domain.media import TOKEN_HEADER, Callback, Lease, Mark, Origin, check_iso_name
from steps.media.library import hold, is_there, open_unchanged
from steps.media.runs import Runs
from steps.media.sending import covered_bytes
from steps.media.store import Grant, HeldIso, Store, new_token

STATUS: dict[type[HerasphereError], int] = {
    AccessDenied: 401,
    NotFound: 404,
    Conflict: 409,
    VerifyFailed: 422,
    Unsupported: 422,
    Unavailable: 503,
}
PART = "part-"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Handlers of the control API."""

    def __init__(self, store: Store, runs: Runs, *, folder: Path, public_url: str, token: str) -> None:
        self.store = store
        self.runs = runs
        self.uploads = folder / "isos"
        self.uploads.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in self.uploads.glob(f"{PART}*"):  # of an upload that a crash cut off
            part.unlink()
        self.public_url = public_url.rstrip("/")
        self.token = token

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=32 * 1024 * 1024)
        app.add_routes(
            [
                web.get("/v1/isos", self.list_isos),
                web.get("/v1/isos/{name}", self.get_iso),
                web.put("/v1/isos/{name}", self.upload_iso),
                web.post("/v1/isos/{name}", self.register_iso),
                web.post("/v1/leases", self.grant),
                web.get("/v1/leases", self.find_lease),
                web.get("/v1/leases/unrevoked", self.list_unrevoked),
                web.get("/v1/leases/{run}/{host}", self.get_lease),
                web.post("/v1/leases/{run}/{host}/marks", self.mark),
                web.delete("/v1/leases/{run}/{host}", self.revoke),
                web.get("/v1/runs", self.list_runs),
                web.delete("/v1/runs", self.forget_runs),
                web.get("/v1/runs/{run}", self.list_files),
                web.get("/v1/runs/{run}/files/{name:.+}", self.get_file),
                web.put("/v1/runs/{run}/files/{name:.+}", self.put_file),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(TOKEN_HEADER, "")
        try:
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                raise AccessDenied("the control token is wrong", where="media service", hint="give the right one")
            return await handler(request)
        except HerasphereError as error:
            body = {"error": type(error).__name__, "what": error.what, "where": error.where, "hint": error.hint}
            return web.json_response(body, status=STATUS.get(type(error), 400))
        except (ValueError, KeyError, TypeError) as error:
            body = {
                "error": "Unsupported",
                "what": f"bad request: {error}",
                "where": "media service",
                "hint": "see docs",
            }
            return web.json_response(body, status=400)

    async def list_isos(self, _request: web.Request) -> web.StreamResponse:
        """Those that can be served; one whose file went away is to be added again."""
        return web.json_response([held.iso.model_dump() for held in self.store.isos() if is_there(held)])

    async def get_iso(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.store.iso(request.match_info["name"]).iso.model_dump())

    async def register_iso(self, request: web.Request) -> web.StreamResponse:
        """Hold an ISO where it lies on the service's own disk."""
        path = Path((await request.json())["path"])
        if not path.is_absolute():
            raise Unsupported(f"{path} is no absolute path", where="media service", hint="give the whole path")
        name = _iso_name(request)
        for known in self.store.isos():
            if (known.path, known.iso.name) == (path, name) and is_there(known):
                return web.json_response(known.iso.model_dump())  # not hashed again
        held = await asyncio.to_thread(hold, path, name)
        copy = self.store.held.get(held.iso.sha256)
        if copy and copy.path.parent == self.uploads and is_there(copy):  # safer than a file that others may remove
            held = replace(held, path=copy.path, modified_ns=copy.modified_ns)
        return self._held(held)

    async def upload_iso(self, request: web.Request) -> web.StreamResponse:
        """Take an ISO's bytes; nothing of it stays unless it is a whole ESXi ISO."""
        name = _iso_name(request)
        free = shutil.disk_usage(self.uploads).free
        if (request.content_length or 0) > free:
            what = f"{name} needs {(request.content_length or 0) >> 20} MiB, {free >> 20} MiB are free"
            raise Unavailable(what, where="media service", hint=f"make room in {self.uploads}")
        with tempfile.NamedTemporaryFile(dir=self.uploads, prefix=PART, delete=False) as file:
            part = Path(file.name)
            try:
                async for chunk in request.content.iter_chunked(1 << 20):
                    await asyncio.to_thread(file.write, chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
                held = await asyncio.to_thread(hold, part, name)
                final = part.replace(self.uploads / f"{held.iso.sha256}.iso")
            except OSError as error:
                part.unlink(missing_ok=True)
                hint = f"make room in {self.uploads}"
                raise Unavailable(
                    f"{name} cannot be kept: {error.strerror}", where="media service", hint=hint
                ) from error
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        return self._held(replace(held, path=final))

    def _held(self, held: HeldIso) -> web.StreamResponse:
        self.store.add_iso(held, time.time())
        return web.json_response(held.iso.model_dump(), status=201)

    async def grant(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        now = time.time()
        held = self.store.iso(body["iso_sha256"])
        open_unchanged(held).close()
        held.template.view(body["kickstart"].encode())
        token = new_token()
        wanted = Grant(
            token=token,
            run=str(body["run"]),
            host=str(body["host"]),
            serial=str(body["serial"]),
            url=f"{self.public_url}/m/{token}/{quote(held.iso.name)}",
            sha256=held.iso.sha256,
            kickstart=body["kickstart"].encode(),
            made=now,
            expires=now + int(body["ttl_s"]),
            revoked=False,
            served=0,
            coverage=bytearray(),
            first_read=None,
            last_read=None,
            kickstart_read=None,
            origin=str(body.get("origin", "")),
        )
        return self._lease(self.store.grant(wanted, now))

    async def list_unrevoked(self, _request: web.Request) -> web.StreamResponse:
        views = [self._view(grant, self.store.iso(grant.sha256)) for grant in self.store.unrevoked()]
        return web.json_response([view.model_dump(mode="json") for view in views])

    async def get_lease(self, request: web.Request) -> web.StreamResponse:
        return self._lease(self._named(request))

    async def find_lease(self, request: web.Request) -> web.StreamResponse:
        """The lease whose ISO this URL is, whatever name or address the service has been given since."""
        match = re.fullmatch(r".*/m/([A-Za-z0-9_-]{20,})/[^/]+", urlsplit(request.query["url"]).path)
        found = self.store.by_token(match[1]) if match else None
        if found is None:
            raise NotFound("that URL is not of this service", where="media service", hint="look at the BMC")
        return self._lease(found)

    async def mark(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        grant = self._named(request)
        self.store.note(grant, "mark", str(body["name"])[:100], str(body["value"])[:500], time.time())
        return self._lease(grant)

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        grant = self._named(request)
        self.store.revoke(grant)
        return self._lease(grant)

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

    def _named(self, request: web.Request) -> Grant:
        return self.store.lease(request.match_info["run"], request.match_info["host"])

    def _lease(self, grant: Grant) -> web.StreamResponse:
        held = self.store.iso(grant.sha256)
        return web.Response(text=self._view(grant, held).model_dump_json(), content_type="application/json")

    def _view(self, grant: Grant, held: HeldIso) -> Lease:
        notes = self.store.notes(grant)
        size_bytes = held.template.image.size_bytes
        callbacks = [
            Callback.model_validate({"event": n.name, "text": n.text, "at": _when(n.at)})
            for n in notes
            if n.kind == "callback"
        ]
        marks = [Mark(name=n.name, value=n.text, at=_when(n.at)) for n in notes if n.kind == "mark"]
        return Lease(
            run=grant.run,
            host=grant.host,
            serial=grant.serial,
            iso=held.iso,
            url=grant.url,
            callback_url=grant.url.rpartition("/")[0] + "/cb",
            size_bytes=size_bytes,
            expires_at=_when(grant.expires),
            revoked=grant.revoked,
            now=_when(time.time()),
            bytes_served=grant.served,
            bytes_covered=covered_bytes(grant.coverage, size_bytes),
            first_read_at=_when(grant.first_read) if grant.first_read else None,
            last_read_at=_when(grant.last_read) if grant.last_read else None,
            kickstart_read_at=_when(grant.kickstart_read) if grant.kickstart_read else None,
            callbacks=tuple(callbacks),
            marks=tuple(marks),
            origin=Origin.model_validate_json(grant.origin) if grant.origin else None,
        )


def _iso_name(request: web.Request) -> str:
    name: Any = request.match_info["name"]
    check_iso_name(name, where="media service")
    return str(name)


def _when(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
