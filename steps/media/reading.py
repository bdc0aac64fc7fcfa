"""`GET /m/<token>/<name>.iso`: a host's ISO to its BMC, spliced as it is read, and counted."""

import contextlib
import logging
import time
from email.utils import formatdate
from hashlib import sha256
from typing import NoReturn

from aiohttp import web

from steps.domain.errors import HerasphereError
from steps.domain.splice import SplicedImage
from steps.media.conditions import answer
from steps.media.library import open_unchanged
from steps.media.sending import Medium, Sending
from steps.media.store import Grant, HeldIso, Store

LOG = logging.getLogger("herasphere.media")

MAX_TEXT = 500  # of a call-back
EVENTS = ("pre-ok", "pre-failed", "post-ok")


class Reading:
    """The media port: unguessable paths only."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.views: dict[str, tuple[bytes, SplicedImage]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/m/{token}/{name}.iso", self.read),  # HEAD comes with it
            web.get("/m/{token}/cb/{event}", self.call_back),
            web.route("*", "/{path:.*}", self.unknown),
        ]

    async def read(self, request: web.Request) -> web.StreamResponse:
        grant = self._grant(request)
        try:
            held = self.store.iso(grant.sha256)
            file = open_unchanged(held)
        except HerasphereError as error:
            LOG.error("%s for %s/%s: %s", request.remote, grant.run, grant.host, error)
            raise web.HTTPServiceUnavailable(text=f"{error.what}\n") from error
        with contextlib.closing(file):
            return await self._answer(request, Medium(grant, held, self._view(grant, held), file))

    def _view(self, grant: Grant, held: HeldIso) -> SplicedImage:
        """The host's view, made once: a BMC asks for it in thousands of small ranges."""
        known = self.views.get(grant.token)
        if known is None or known[0] is not grant.kickstart:
            known = self.views[grant.token] = (grant.kickstart, held.template.view(grant.kickstart))
        return known[1]

    async def call_back(self, request: web.Request) -> web.StreamResponse:
        """A word from the installer: evidence, kept with the lease."""
        grant = self._grant(request)
        event, text = request.match_info["event"], request.query.get("text", "")[:MAX_TEXT]
        if event not in EVENTS:
            LOG.warning("%s refused for %s/%s: no such call-back", request.remote, grant.run, grant.host)
            raise web.HTTPNotFound
        self.store.note(grant, "callback", event, "".join(c if c.isprintable() else " " for c in text), time.time())
        LOG.info("%s for %s/%s: %s", request.remote, grant.run, grant.host, event)
        return web.Response(text="noted\n")

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        _refuse_unknown(request, request.path)

    def _grant(self, request: web.Request) -> Grant:
        """The live lease of this URL; anything else is refused and logged, without the token."""
        token = request.match_info["token"]
        grant = self.store.by_token(token)
        if grant is None:
            _refuse_unknown(request, token)
        if not grant.is_live(time.time()):
            ended = "its run has ended" if grant.revoked else "it has expired"
            LOG.warning("%s refused for %s/%s: %s", request.remote, grant.run, grant.host, ended)
            raise web.HTTPGone(text=f"{ended}\n")
        return grant

    async def _answer(self, request: web.Request, medium: Medium) -> web.StreamResponse:
        grant, size_bytes = medium.grant, medium.view.size_bytes
        tag = f'"{sha256(medium.held.iso.sha256.encode() + grant.kickstart).hexdigest()[:32]}"'
        made = int(grant.made)
        how = answer(request.method, request.headers, tag=tag, modified_s=made, size_bytes=size_bytes)
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Last-Modified": formatdate(made, usegmt=True),
            "Cache-Control": "no-store",
        }
        if how.status == 416:
            wanted = request.headers["Range"][:100]
            LOG.warning("%s refused for %s/%s: %r is past the end", request.remote, grant.run, grant.host, wanted)
            headers["Content-Range"] = f"bytes */{size_bytes}"
        elif how.status == 206:
            headers["Content-Range"] = f"bytes {how.start}-{how.stop - 1}/{size_bytes}"
        if how.status not in (200, 206):
            return web.Response(status=how.status, headers=headers)
        response = web.StreamResponse(status=how.status, headers=headers)
        response.content_type = "application/octet-stream"
        response.content_length = how.stop - how.start
        writer = await response.prepare(request)
        if request.method == "GET" and writer is not None:
            await Sending(self.store, medium, request, writer).send(how.start, how.stop)
        return response


def _refuse_unknown(request: web.Request, asked: str) -> NoReturn:
    """404, logged by a hash: what was asked for may be a token with one letter wrong."""
    LOG.warning("%s refused: no such URL (%s)", request.remote, sha256(asked.encode()).hexdigest()[:8])
    raise web.HTTPNotFound
