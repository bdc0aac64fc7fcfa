"""The control port: what steps and `hera media` ask of the service. JSON under /v1, every call with the token."""

import hmac
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol
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
from steps.domain.media import TOKEN_HEADER, Callback, Lease, Mark, Origin
from steps.media.library import open_unchanged
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
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Part(Protocol):
    """Handlers of one thing the service keeps."""

    def routes(self) -> list[web.RouteDef]: ...


class Control:
    """The control API: the handlers of leases, and the parts for everything else."""

    def __init__(self, store: Store, parts: Sequence[Part], *, public_url: str, token: str) -> None:
        self.store = store
        self.parts = parts
        self.public_url = public_url.rstrip("/")
        self.token = token

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=32 * 1024 * 1024)
        for part in self.parts:
            app.add_routes(part.routes())
        app.add_routes(
            [
                web.post("/v1/leases", self.grant),
                web.get("/v1/leases", self.find_lease),
                web.get("/v1/leases/unrevoked", self.list_unrevoked),
                web.get("/v1/leases/{run}/{host}", self.get_lease),
                web.post("/v1/leases/{run}/{host}/marks", self.mark),
                web.delete("/v1/leases/{run}/{host}", self.revoke),
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


def _when(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
