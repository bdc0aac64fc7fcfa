"""`GET /m/<token>/<name>.iso`: a host's ISO to its BMC, spliced as it is read, and counted; `GET /p/<token>/<path>`: a
page to a guest's installer, and by whom it was read."""

import contextlib
import logging
import time
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from typing import NoReturn

from aiohttp import web

from steps.domain.errors import HerasphereError
from steps.domain.splice import SplicedImage
from steps.media.conditions import answer
from steps.media.library import open_unchanged
from steps.media.pages import PageSets
from steps.media.sending import Medium, Sending
from steps.media.store import Grant, HeldIso, Store

LOG = logging.getLogger("herasphere.media")

MAX_TEXT = 500  # of a call-back
EVENTS = ("pre-ok", "pre-failed", "post-ok")


@dataclass(frozen=True)
class Shown:
    """A host's view, and the headers which tell whether a reader has it already."""

    kickstart: bytes
    view: SplicedImage
    tag: str
    headers: dict[str, str]


class Reading:
    """The media port: unguessable paths only."""

    def __init__(self, store: Store, pages: PageSets) -> None:
        self.store = store
        self.pages = pages
        self.shown: dict[str, Shown] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/m/{token}/{name}.iso", self.read),  # HEAD comes with it
            web.get("/m/{token}/cb/{event}", self.call_back),
            web.get("/p/{token}/{path:.+}", self.page),
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
            shown = self._shown(grant, held)
            return await self._answer(request, shown, Medium(grant, held, shown.view, file))

    def _shown(self, grant: Grant, held: HeldIso) -> Shown:
        """What the host is shown, made once: a BMC asks for it in thousands of small ranges."""
        known = self.shown.get(grant.token)
        if known is None or known.kickstart is not grant.kickstart:
            tag = f'"{sha256(held.iso.sha256.encode() + grant.kickstart).hexdigest()[:32]}"'
            made = formatdate(int(grant.made), usegmt=True)
            headers = {"Accept-Ranges": "bytes", "ETag": tag, "Last-Modified": made, "Cache-Control": "no-store"}
            known = Shown(grant.kickstart, held.template.view(grant.kickstart), tag, headers)
            self.shown[grant.token] = known
        return known

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

    async def page(self, request: web.Request) -> web.StreamResponse:
        """A page, always whole: a part of a few kB helps nobody, and a range may be answered with all (RFC 9110, 14.2).
        It was read when all of it has left."""
        token, path = request.match_info["token"], request.match_info["path"]
        shown = self.pages.shown(token, path, time.time())
        if shown is None:
            _refuse_unknown(request, token)
        if shown.content is None:
            LOG.warning("%s asked %s/%s for %r: no such page", request.remote, shown.run, shown.name, path[:200])
            raise web.HTTPNotFound
        length = str(len(shown.content))  # said here, as aiohttp leaves it out where an empty page meets a HEAD
        headers = {"Accept-Ranges": "none", "Cache-Control": "no-store", "Content-Length": length}
        response = web.Response(body=shown.content, content_type="text/plain", headers=headers)
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:  # whoever hangs up has not read it
            return response
        if request.method == "GET":
            self.pages.was_read(token, path, request.remote or "", time.time())
            LOG.info("%s read %s/%s: %r", request.remote, shown.run, shown.name, path[:200])
        return response

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

    async def _answer(self, request: web.Request, shown: Shown, medium: Medium) -> web.StreamResponse:
        grant, size_bytes, headers = medium.grant, shown.view.size_bytes, dict(shown.headers)
        made = int(grant.made)
        how = answer(request.method, request.headers, tag=shown.tag, modified_s=made, size_bytes=size_bytes)
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
