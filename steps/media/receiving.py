"""A request's body as a file: whole and on the disk, or not at all."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web

from steps.domain.errors import Unavailable

PART = "part-"


def incoming(folder: Path) -> Path:
    """This folder, there and without the parts of what a crash cut off."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in folder.glob(f"{PART}*"):
        part.unlink()
    return folder


@contextlib.asynccontextmanager
async def received(
    request: web.Request, folder: Path, name: str, *, see: Callable[[bytes], None] | None = None
) -> AsyncIterator[Path]:
    """What is sent, as a file in this folder with the owner's rights only; gone afterwards unless it was moved away.

    see: is shown each piece before it is kept, off the event loop, and may raise
    Unavailable where there is no room for it.
    """
    length, free = request.content_length or 0, shutil.disk_usage(folder).free
    hint = f"make room in {folder}"
    if length > free:
        what = f"{name} needs {length >> 20} MiB, {free >> 20} MiB are free"
        raise Unavailable(what, where="media service", hint=hint)

    def keep(chunk: bytes) -> None:
        if see:
            see(chunk)
        file.write(chunk)

    with tempfile.NamedTemporaryFile(dir=folder, prefix=PART, delete=False) as file:
        part = Path(file.name)
        try:
            async for chunk in request.content.iter_chunked(1 << 20):
                await asyncio.to_thread(keep, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            yield part
        except OSError as error:
            what = f"{name} cannot be kept: {error.strerror}"
            raise Unavailable(what, where="media service", hint=hint) from error
        finally:
            part.unlink(missing_ok=True)
