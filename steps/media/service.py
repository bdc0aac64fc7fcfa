"""The media service as a whole: two ports, one store, until it is told to stop."""

import asyncio
import contextlib
import fcntl
import logging
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from aiohttp import web

from steps.domain.errors import Conflict, Unavailable
from steps.media.bundles import UNUSED_S, BundleRoutes, Bundles
from steps.media.control import Control
from steps.media.isos import IsoRoutes
from steps.media.pages import PageRoutes, PageSets
from steps.media.reading import Reading
from steps.media.runs import RunRoutes, Runs
from steps.media.store import Store

LOG = logging.getLogger("herasphere.media")
FLUSH_EVERY_S = 1.0
FORGETS_EVERY_S = 60.0
GOODBYE_S = 2.0
LOOKS_FOR_USERS_EVERY_S = 1.0


@dataclass(frozen=True)
class Addresses:
    """Where to listen; port 0 takes any that is free. public_url: how BMCs and installers call the media port, if it is
    not simply its address."""

    media_host: str
    media_port: int
    control_host: str = "127.0.0.1"
    control_port: int = 0
    public_url: str = ""
    library: Path | None = None  # a folder into which people put ISOs


@dataclass(frozen=True)
class Ready:
    """Where the service can be used."""

    control_url: str
    public_url: str


def serve(
    folder: Path, addresses: Addresses, *, token: str, ready: Callable[[Ready], None], users: Path | None = None
) -> None:
    """Serve from this folder until SIGTERM or SIGINT; every lease and count is in the folder afterwards.

    users: a file which each user of the service holds a shared lock on; without any, the service ends
    Conflict if another service uses the folder, Unavailable if an address cannot be had.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(folder), users.open("a") if users else contextlib.nullcontext() as lock:
        asyncio.run(_serve(folder, addresses, token, ready, lock))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            hint = "use the one that runs, or give this one a folder of its own: --folder DIR"
            raise Conflict("another media service uses this folder", where=str(folder), hint=hint) from error
        yield


async def _serve(
    folder: Path, addresses: Addresses, token: str, ready: Callable[[Ready], None], users: TextIO | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(RuntimeError, ValueError):  # in a thread (tests) there are no signals to take
            loop.add_signal_handler(number, stop.set)
    with contextlib.closing(Store(folder / "media.sqlite")) as store:
        async with running(store, folder, addresses, token) as at:
            ready(at)
            watching = asyncio.create_task(_watch(users, stop)) if users else None
            await stop.wait()
            if watching:
                watching.cancel()


@contextlib.asynccontextmanager
async def running(store: Store, folder: Path, addresses: Addresses, token: str) -> AsyncIterator[Ready]:
    """The service over this store, while the context lasts; yields where it is."""
    pages, bundles = PageSets(store), Bundles(folder / "bundles")
    forget(pages, bundles, time.time())
    reading = web.Application()
    reading.add_routes(Reading(store, pages).routes())
    media = await _listen(reading, addresses.media_host, addresses.media_port)
    public_url = addresses.public_url or _url(addresses.media_host, _port(media))
    runs = Runs(folder / "runs")
    parts = (
        *(IsoRoutes(store, folder, addresses.library), RunRoutes(runs)),
        *(BundleRoutes(bundles), PageRoutes(pages, bundles, public_url=public_url)),
    )
    control = Control(store, parts, public_url=public_url, token=token)
    controlled = await _listen(control.application(), addresses.control_host, addresses.control_port)
    tasks = [asyncio.create_task(_flush(store)), asyncio.create_task(_forget(pages, bundles))]
    try:
        yield Ready(_url(addresses.control_host, _port(controlled)), public_url)
    finally:
        for task in tasks:
            task.cancel()
        for runner in (media, controlled):
            await runner.cleanup()
        store.flush()
        runs.close()


def forget(pages: PageSets, bundles: Bundles, now: float) -> None:
    """Afterwards what is over at this moment is off the disk: pages with their time, bundles that nobody uses."""
    try:
        pages.forget_expired(now)
        for sha256 in bundles.forget(now - UNUSED_S, needed=pages.bundles()):
            LOG.info("bundle %s is forgotten: nobody asked for it in %.0f days", sha256[:12], UNUSED_S / 86400)
    except (OSError, sqlite3.Error) as error:  # a full or read-only disk: the service goes on, and tries again
        LOG.warning("what is over cannot be removed: %s", error)


async def _forget(pages: PageSets, bundles: Bundles) -> None:
    while True:
        await asyncio.sleep(FORGETS_EVERY_S)
        forget(pages, bundles, time.time())


async def _watch(users: TextIO, stop: asyncio.Event) -> None:
    """Stop when nobody uses the service any more; who comes now waits for the lock, which is held to the end."""
    while not stop.is_set():
        await asyncio.sleep(LOOKS_FOR_USERS_EVERY_S)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop.set()


async def _listen(app: web.Application, host: str, port: int) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_S, keepalive_timeout=75.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), port).start()
    except OSError as error:
        await runner.cleanup()
        hint = "give another address or port; `ip address` shows this machine's"
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error.strerror}", where="media service", hint=hint
        ) from error
    return runner


async def _flush(store: Store) -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY_S)
        store.flush()


def _port(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])


def _url(host: str, port: int) -> str:
    return f"http://{host if ':' not in host or host.startswith('[') else f'[{host}]'}:{port}"
