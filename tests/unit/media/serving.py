"""The media service for tests: on loopback, in a thread or in a process of its own."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from steps.clients.media import Media
from steps.domain.media import Lease
from steps.media.service import Addresses, Ready, running
from steps.media.store import Store

TOKEN = "control-token"
KICKSTART = "vmaccepteula\nreboot\n"
RUN = {"run": "run-1", "host": "esx01"}
PROCESS = """
import json, sys
from pathlib import Path
from steps.media.service import Addresses, serve
serve(Path(sys.argv[1]), Addresses("127.0.0.1", 0), token=sys.argv[2],
      ready=lambda at: print(json.dumps([at.control_url, at.public_url]), flush=True))
"""


@contextlib.contextmanager
def service(
    folder: Path, media_port: int = 0, library: Path | None = None, addresses: Addresses | None = None
) -> Iterator[Ready]:
    """The service on loopback, in a thread."""
    started: list[Ready] = []
    up = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        try:
            with contextlib.closing(Store(folder / "media.sqlite")) as store:
                where = addresses or Addresses("127.0.0.1", media_port, library=library)
                async with running(store, folder, where, TOKEN) as at:
                    started.append(at)
                    up.set()
                    await stop.wait()
        finally:
            up.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert up.wait(20) and started
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
        loop.close()


@contextlib.contextmanager
def process(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", Ready]]:
    """The service as it runs in earnest, to be killed."""
    command = [sys.executable, "-c", PROCESS, str(folder), TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, Ready(*json.loads(child.stdout.readline()))
        finally:
            child.kill()


def grant(media: Media, **changes: object) -> Lease:
    values = {**RUN, "serial": "A1", "kickstart": KICKSTART, "ttl_s": 600} | changes
    if "iso_sha256" not in values:
        values["iso_sha256"] = media.isos()[0].sha256
    return media.grant(**values)  # type: ignore[arg-type]


def port_of(url: str) -> int:
    return urlsplit(url).port or 0
