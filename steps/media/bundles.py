"""The files that settings refer to, as bundles that are named by their SHA-256; and the control port's part for them.

The time at which a bundle was last asked for is its file's: nothing else has to be kept of it.
"""

import hashlib
import os
import re
from collections.abc import Container
from pathlib import Path

from aiohttp import web

from steps.domain.errors import NotFound, Unsupported, VerifyFailed
from steps.domain.media import MAX_BUNDLE_BYTES
from steps.media.receiving import incoming, received

UNUSED_S = 30 * 86400.0  # a bundle that nobody asked for in this time is forgotten


class Bundles:
    """Bundles in a folder. Used from one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = incoming(folder)

    def used(self, sha256: str) -> Path:
        """The bundle's file, which stays for UNUSED_S from now on; NotFound."""
        path = self.place(sha256)
        try:
            os.utime(path)
        except FileNotFoundError as error:
            hint = "`hera submit` and `hera run` send it, and it is kept for 30 days after it was last used"
            raise NotFound(f"there is no bundle {sha256[:12]}", where="media service", hint=hint) from error
        return path

    def forget(self, before: float, *, needed: Container[str]) -> list[str]:
        """Drop those that were last used before this moment, unless they are needed; returns their names."""
        old = [path for path in self.folder.glob("*.tar") if path.stat().st_mtime < before and path.stem not in needed]
        for path in old:
            path.unlink()
        return sorted(path.stem for path in old)

    def place(self, sha256: str) -> Path:
        """Where the bundle of this name is, or would be."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            hint = "it is the SHA-256 of its bytes, in lower case"
            raise Unsupported(f"{sha256[:80]!r} is no name of a bundle", where="media service", hint=hint)
        return self.folder / f"{sha256}.tar"


class BundleRoutes:
    """Handlers below /v1/bundles."""

    def __init__(self, bundles: Bundles) -> None:
        self.bundles = bundles

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/v1/bundles/{sha256}", self.put),
            web.get("/v1/bundles/{sha256}", self.get),
            web.get("/v1/bundles/{sha256}/size", self.size),
        ]

    async def put(self, request: web.Request) -> web.StreamResponse:
        """Keep a bundle; nothing of it stays unless all of it came and its name is right."""
        sha256 = request.match_info["sha256"]
        final = self.bundles.place(sha256)
        digest, seen_bytes = hashlib.sha256(), 0

        def see(chunk: bytes) -> None:
            nonlocal seen_bytes
            seen_bytes += len(chunk)
            check_size(seen_bytes, sha256)
            digest.update(chunk)

        check_size(request.content_length or 0, sha256)
        async with received(request, self.bundles.folder, f"bundle {sha256[:12]}", see=see) as part:
            if digest.hexdigest() != sha256:
                what, hint = f"what came is {digest.hexdigest()[:12]}, not {sha256[:12]}", "send it again"
                raise VerifyFailed(what, where="media service", hint=hint)
            part.replace(final)
        return web.json_response({"size_bytes": seen_bytes}, status=201)

    async def get(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self.bundles.used(request.match_info["sha256"]))

    async def size(self, request: web.Request) -> web.StreamResponse:
        """Whether it is here, for whoever is about to send or to name it: that is a use as well."""
        path = self.bundles.used(request.match_info["sha256"])
        return web.json_response({"size_bytes": path.stat().st_size})


def check_size(size_bytes: int, sha256: str) -> None:
    """Raise Unsupported for what is too large to be kept."""
    if size_bytes > MAX_BUNDLE_BYTES:
        what = f"bundle {sha256[:12]} is larger than {MAX_BUNDLE_BYTES >> 20} MiB"
        hint = "big files belong on their target, or on a server that the guest downloads them from"
        raise Unsupported(what, where="media service", hint=hint)
