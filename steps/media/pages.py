"""The files a run shows to a guest's installer: kept with the leases, gone when they are over; and the control port's
part for them. They may hold password hashes, so no file of theirs lies about and nothing of their content is logged."""

import re
import secrets
import string
import time
from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from steps.domain.errors import NotFound, Unsupported
from steps.domain.media import MAX_PAGES_BYTES, Page, Pages, check_page_path, pages_url
from steps.media.bundles import Bundles
from steps.media.runs import RUN
from steps.media.store import Store

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}"
# It is typed at a boot prompt, key by key: short, and without capitals, as a shift key held down is what slow consoles
# lose. Each of the 22 is one of 36, about 113 bits together: nobody guesses it.
TOKEN_ALPHABET, TOKEN_LENGTH = string.ascii_lowercase + string.digits, 22


class Shown(NamedTuple):
    """A page on its way to a reader. content: None if its set has no such page"""

    run: str
    name: str
    content: bytes | None


class PageSets:
    """Sets of pages in the service's store. Used from one thread; `now` is always the moment it is asked at."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.db = store.db

    def publish(
        self, run: str, name: str, files: Mapping[str, bytes], *, bundle: str, expires: float, now: float
    ) -> None:
        """Show these files and no others. A live set of this run and name keeps its token, and a page that stays as it
        was keeps what is known of its readers; one that is over is forgotten, and its URLs stay dead."""
        with self.store.transaction():
            self._forget("expires <= ?", now)
            token = self._token(run, name) or new_token()
            self.db.execute(
                "INSERT INTO page_set VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (token) DO UPDATE SET bundle = excluded.bundle, expires = excluded.expires",
                (token, run, name, bundle, expires),
            )
            known = dict(self.db.execute("SELECT path, content FROM page WHERE token = ?", (token,)).fetchall())
            for path in known:
                if known[path] != files.get(path):
                    self.db.execute("DELETE FROM page WHERE token = ? AND path = ?", (token, path))
            self.db.executemany(
                "INSERT OR IGNORE INTO page (token, path, content) VALUES (?, ?, ?)",
                [(token, path, content) for path, content in files.items()],
            )
        self._scrub()

    def pages(self, run: str, name: str, *, public_url: str, now: float) -> Pages:
        """What is shown, and who read it; NotFound if it was never shown or is over."""
        row = self.db.execute(
            "SELECT * FROM page_set WHERE run = ? AND name = ? AND expires > ?", (run, name, now)
        ).fetchone()
        if row is None:
            hint = "they end with their run, or with their time"
            raise NotFound(f"run {run} shows no pages {name}", where="media service", hint=hint)
        read = "first_read AS first_read_at, first_read_by, last_read AS last_read_at, last_read_by"
        pages = self.db.execute(
            f"SELECT path, length(content) AS size_bytes, {read} FROM page WHERE token = ? ORDER BY path",
            (row["token"],),
        )
        return Pages.model_validate(
            {key: row[key] for key in ("run", "name", "token", "bundle")}
            | {"base_url": pages_url(public_url, row["token"]), "expires_at": row["expires"], "now": now}
            | {"pages": [Page.model_validate(dict(page)) for page in pages]}
        )

    def shown(self, token: str, path: str, now: float) -> Shown | None:
        """The page at this path of a live set; None where no live set has this token."""
        row = self.db.execute(
            "SELECT run, name, content FROM page_set LEFT JOIN page ON page.token = page_set.token AND path = ? "
            "WHERE page_set.token = ? AND expires > ?",
            (path, token, now),
        ).fetchone()
        return row and Shown(*row)

    def was_read(self, token: str, path: str, by: str, now: float) -> None:
        """Note that all of a page was sent to this address."""
        self.db.execute(
            "UPDATE page SET last_read = ?, last_read_by = ?, first_read = ifnull(first_read, ?), "
            "first_read_by = iif(first_read IS NULL, ?, first_read_by) WHERE token = ? AND path = ?",
            (now, by, now, by, token, path),
        )

    def end(self, run: str, name: str) -> None:
        """Forget a set: from now on nothing is shown of it."""
        with self.store.transaction():
            self._forget("run = ? AND name = ?", run, name)
        self._scrub()

    def forget_expired(self, now: float) -> None:
        """Forget every set whose time is over."""
        with self.store.transaction():
            gone = self._forget("expires <= ?", now)
        if gone:
            self._scrub()

    def bundles(self) -> set[str]:
        """Those which sets refer to."""
        return {row["bundle"] for row in self.db.execute("SELECT bundle FROM page_set")}

    def _token(self, run: str, name: str) -> str | None:
        row = self.db.execute("SELECT token FROM page_set WHERE run = ? AND name = ?", (run, name)).fetchone()
        return row and str(row["token"])

    def _forget(self, which: str, *values: str | float) -> int:
        self.db.execute(f"DELETE FROM page WHERE token IN (SELECT token FROM page_set WHERE {which})", values)
        return self.db.execute(f"DELETE FROM page_set WHERE {which}", values).rowcount

    def _scrub(self) -> None:
        """Leave nothing of what was deleted in the write-ahead log; the store's file has been wiped already."""
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class PageRoutes:
    """Handlers below /v1/pages. public_url: how guests call the media port"""

    def __init__(self, sets: PageSets, bundles: Bundles, *, public_url: str) -> None:
        self.sets = sets
        self.bundles = bundles
        self.public_url = public_url

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/pages", self.publish),
            web.get("/v1/pages/{run}/{name}", self.get),
            web.delete("/v1/pages/{run}/{name}", self.end),
        ]

    async def publish(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        run, name, ttl_s, now = str(body["run"]), str(body["name"]), int(body["ttl_s"]), time.time()
        if not re.fullmatch(RUN, run) or not re.fullmatch(NAME, name):
            what, hint = f"{run[:80]}/{name[:80]} names no pages of a run", "letters, digits, . _ -"
            raise Unsupported(what, where="media service", hint=hint)
        if ttl_s <= 0:
            what, hint = f"pages for {ttl_s} s are over before they are shown", "give the time an installer takes"
            raise Unsupported(what, where=f"{run}/{name}", hint=hint)
        files = {str(file["path"]): b64decode(file["content"], validate=True) for file in body["files"]}
        _check(files, f"{run}/{name}")
        pages_url(self.public_url, "")  # that there is one is known before anything is kept
        bundle = str(body.get("bundle", ""))
        if bundle:
            self.bundles.used(bundle)
        self.sets.publish(run, name, files, bundle=bundle, expires=now + ttl_s, now=now)
        return self._pages(run, name, now)

    async def get(self, request: web.Request) -> web.StreamResponse:
        return self._pages(request.match_info["run"], request.match_info["name"], time.time())

    async def end(self, request: web.Request) -> web.StreamResponse:
        """Also where there are none: a clean-up need not know how far its run came."""
        self.sets.end(request.match_info["run"], request.match_info["name"])
        return web.json_response({})

    def _pages(self, run: str, name: str, now: float) -> web.StreamResponse:
        pages = self.sets.pages(run, name, public_url=self.public_url, now=now)
        return web.Response(text=pages.model_dump_json(), content_type="application/json")


def new_token() -> str:
    return "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))


def _check(files: Mapping[str, bytes], where: str) -> None:
    """Raise Unsupported for what cannot be shown."""
    for path in files:
        check_page_path(path, where=where)
    size_bytes = sum(map(len, files.values()))
    if size_bytes > MAX_PAGES_BYTES or not files:
        limits = f"it takes one at least, and {MAX_PAGES_BYTES >> 20} MiB at most"
        what = f"{len(files)} files of {size_bytes >> 20} MiB together: {limits}"
        hint = "what an installer reads is a kickstart and its scripts; packages come from a mirror"
        raise Unsupported(what, where=where, hint=hint)
