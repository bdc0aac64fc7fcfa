"""`GET /m/<token>/<name>.iso`: a host's ISO to its BMC, spliced as it is read, and counted."""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from aiohttp import web

from steps.domain.errors import HerasphereError
from steps.domain.splice import Segment, SplicedImage
from steps.media.library import open_unchanged
from steps.media.store import Grant, HeldIso, Store

LOG = logging.getLogger("herasphere.media")

BLOCK_BYTES = 64 * 1024  # coverage is counted in these
PIECE_BYTES = 4 * 1024 * 1024  # sent before it is counted, so that a slow reader shows progress
MAX_TEXT = 500  # of a call-back


class Reading:
    """The media port: unguessable paths only."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.views: dict[str, tuple[bytes, SplicedImage]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/m/{token}/{name}.iso", self.read),  # HEAD comes with it
            web.get("/m/{token}/cb/{event}", self.call_back),
        ]

    async def read(self, request: web.Request) -> web.StreamResponse:
        grant = self._grant(request)
        held = self.store.iso(grant.sha256)
        view = self._view(grant, held)
        try:
            file = open_unchanged(held)
        except HerasphereError as error:
            LOG.error("%s for %s/%s: %s", request.remote, grant.run, grant.host, error)
            raise web.HTTPServiceUnavailable(text=error.what) from error
        with contextlib.closing(file):
            return await self._answer(request, grant, held, view, file)

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
        if event not in ("pre-ok", "pre-failed", "post-ok"):
            raise web.HTTPNotFound
        self.store.note(grant, "callback", event, "".join(c if c.isprintable() else " " for c in text), time.time())
        LOG.info("%s for %s/%s: %s", request.remote, grant.run, grant.host, event)
        return web.Response(text="noted\n")

    def _grant(self, request: web.Request) -> Grant:
        """The live lease of this URL; anything else is refused and logged, without the token."""
        token = request.match_info["token"]
        grant = self.store.by_token(token)
        if grant is None:
            LOG.warning("%s refused: no such URL (%s)", request.remote, sha256(token.encode()).hexdigest()[:8])
            raise web.HTTPNotFound
        if not grant.is_live(time.time()):
            ended = "its run has ended" if grant.revoked else "it has expired"
            LOG.warning("%s refused for %s/%s: %s", request.remote, grant.run, grant.host, ended)
            raise web.HTTPGone(text=f"{ended}\n")
        return grant

    async def _answer(
        self, request: web.Request, grant: Grant, held: HeldIso, view: SplicedImage, file: BinaryIO
    ) -> web.StreamResponse:
        tag = f'"{sha256(held.iso.sha256.encode() + grant.kickstart).hexdigest()[:32]}"'
        headers = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "no-store"}
        start, stop, status = 0, view.size_bytes, 200
        wanted = request.headers.get("Range", "")
        if wanted and request.headers.get("If-Range", tag) == tag:
            span = byte_range(wanted, view.size_bytes)
            if span == "outside":
                LOG.warning("%s refused for %s/%s: %s is past the end", request.remote, grant.run, grant.host, wanted)
                headers["Content-Range"] = f"bytes */{view.size_bytes}"
                raise web.HTTPRequestRangeNotSatisfiable(headers=headers)
            if isinstance(span, tuple):
                start, stop, status = *span, 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{view.size_bytes}"
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        response = web.StreamResponse(status=status, headers=headers)
        response.content_type = "application/octet-stream"
        response.content_length = stop - start
        writer = await response.prepare(request)
        if request.method == "HEAD" or writer is None:
            return response
        writer.send_headers()
        with contextlib.suppress(ConnectionError):  # a BMC that has read enough hangs up
            await self._send(request, grant, held, view.segments(start, stop), file, start)
        return response

    async def _send(
        self,
        request: web.Request,
        grant: Grant,
        held: HeldIso,
        segments: Iterator[Segment],
        file: BinaryIO,
        position: int,
    ) -> None:
        loop, transport = asyncio.get_running_loop(), request.transport
        for segment in segments:
            if transport is None:
                raise ConnectionResetError
            if isinstance(segment, bytes):
                transport.write(segment)
                position = self._count(grant, held, position, len(segment))
                continue
            _, offset, left = segment
            while left:
                piece = min(left, PIECE_BYTES)
                sent = await loop.sendfile(transport, file, offset, piece)
                offset, left = offset + sent, left - sent
                position = self._count(grant, held, position, sent)
                if sent < piece:
                    raise ConnectionResetError  # the file became shorter while it was read

    def _count(self, grant: Grant, held: HeldIso, position: int, sent: int) -> int:
        """Take note of these bytes; the position behind them."""
        now, end = time.time(), position + sent
        if sent:
            grant.served += sent
            grant.first_read, grant.last_read = grant.first_read or now, now
            slot = held.template.slot_offset
            if position < slot + max(1, len(grant.kickstart)) and end > slot:
                grant.kickstart_read = grant.kickstart_read or now
            cover(grant.coverage, position // BLOCK_BYTES, (end - 1) // BLOCK_BYTES)
            self.store.touched(grant)
        return end


def byte_range(header: str, size_bytes: int) -> tuple[int, int] | str | None:
    """Start and stop of a single range (RFC 9110, 14.2); "outside" if it lies past the end; None for what is ignored.

    Several ranges at once are answered with the whole, as the RFC allows.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not match or match[0].endswith("=-"):
        return None
    if not match[1]:
        length = min(int(match[2]), size_bytes)
        return (size_bytes - length, size_bytes) if length else "outside"
    first = int(match[1])
    last = min(int(match[2]), size_bytes - 1) if match[2] else size_bytes - 1
    if first >= size_bytes:
        return "outside"
    return (first, last + 1) if first <= last else None


def cover(bitmap: bytearray, first: int, last: int) -> None:
    """Set the bits of these blocks."""
    if len(bitmap) <= last // 8:
        bitmap.extend(bytes(last // 8 + 1 - len(bitmap)))
    for block in range(first, last + 1):
        bitmap[block // 8] |= 1 << (block % 8)


def covered_bytes(bitmap: bytes | bytearray, size_bytes: int) -> int:
    """How many distinct bytes were sent, to the next block."""
    return min(size_bytes, sum(byte.bit_count() for byte in bitmap) * BLOCK_BYTES)
