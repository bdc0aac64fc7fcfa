"""The control port's part for ISOs: which there are, and how they come in."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from steps.domain.errors import HerasphereError, Unsupported
from steps.domain.media import check_iso_name
from steps.media.library import LOG, dropped_into, hold, is_there
from steps.media.receiving import incoming, received
from steps.media.store import HeldIso, Store


class IsoRoutes:
    """Handlers below /v1/isos. library: a folder into which people put ISOs; they are taken in where they lie."""

    def __init__(self, store: Store, folder: Path, library: Path | None) -> None:
        self.store = store
        self.library = library
        self.looking = asyncio.Lock()
        self.seen = {(held.path, held.modified_ns) for held in store.isos()}
        self.uploads = incoming(folder / "isos")

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/isos", self.list_isos),
            web.get("/v1/isos/{name}", self.get_iso),
            web.put("/v1/isos/{name}", self.upload_iso),
            web.post("/v1/isos/{name}", self.register_iso),
        ]

    async def list_isos(self, _request: web.Request) -> web.StreamResponse:
        """Those that can be served; one whose file went away is to be added again."""
        await self._look_into_library()
        return web.json_response([held.iso.model_dump() for held in self.store.isos() if is_there(held)])

    async def get_iso(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not self.store.has_iso(name):
            await self._look_into_library()
        return web.json_response(self.store.iso(name).iso.model_dump())

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
        async with received(request, self.uploads, name) as part:
            held = await asyncio.to_thread(hold, part, name)
            final = part.replace(self.uploads / f"{held.iso.sha256}.iso")
        return self._held(replace(held, path=final))

    def _held(self, held: HeldIso) -> web.StreamResponse:
        self.store.add_iso(held, time.time())
        return web.json_response(held.iso.model_dump(), status=201)

    async def _look_into_library(self) -> None:
        """Hold what was put into the library since the last look."""
        library = self.library
        if library is None:
            return
        async with self.looking:
            for held in await asyncio.to_thread(lambda: list(dropped_into(library, self.seen))):
                copy = self.store.held.get(held.iso.sha256)
                if copy and is_there(copy):  # the same ISO under another name, or sent before
                    continue
                try:
                    self.store.add_iso(held, time.time())
                except HerasphereError as error:
                    LOG.warning("%s is not held: %s", held.path, error)


def _iso_name(request: web.Request) -> str:
    name: Any = request.match_info["name"]
    check_iso_name(name, where="media service")
    return str(name)
