"""The bytes of a view on their way to a reader: the file's by sendfile, the splices beside them, each one counted."""

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import BinaryIO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from steps.domain.errors import HerasphereError, Refused
from steps.domain.splice import SplicedImage
from steps.media.library import check_unchanged
from steps.media.store import Grant, HeldIso, Store

LOG = logging.getLogger("herasphere.media")

BLOCK_BYTES = 64 * 1024  # coverage is counted in these
PIECE_BYTES = 1024 * 1024  # sent before it is counted and the lease looked at again
SMALL_BYTES = 128 * 1024  # up to here a copy is cheaper than sendfile


@dataclass(frozen=True)
class Medium:
    """What one request reads: a host's view of the source in `file`."""

    grant: Grant
    held: HeldIso
    view: SplicedImage
    file: BinaryIO


class Sending:
    """One answer's body."""

    def __init__(self, store: Store, medium: Medium, request: web.Request, writer: AbstractStreamWriter) -> None:
        self.store = store
        self.medium = medium
        self.request = request
        self.writer = writer

    async def send(self, start: int, stop: int) -> None:
        """Send this part of the view; hangs up where that cannot be done to its end: nobody takes a part for all."""
        grant = self.medium.grant
        try:
            for segment in self.medium.view.segments(start, stop):
                if isinstance(segment, bytes):
                    await self.writer.write(segment)
                    self._count(start, len(segment))
                    start += len(segment)
                else:
                    await self._send_file(segment[1], segment[1] + segment[2])
                    start = segment[1] + segment[2]
            return
        except ConnectionError:
            pass  # a BMC that has read enough hangs up
        except HerasphereError as error:
            LOG.warning("%s cut off from %s/%s: %s", self.request.remote, grant.run, grant.host, error.what)
        if self.request.transport is not None:
            self.request.transport.abort()

    async def _send_file(self, start: int, stop: int) -> None:
        while start < stop:
            if not self.medium.grant.is_live(time.time()):
                raise Refused("its lease ended meanwhile", hint="start a new run")
            check_unchanged(self.medium.held, self.medium.file)
            start += await self._send_piece(start, min(PIECE_BYTES, stop - start))

    async def _send_piece(self, start: int, length: int) -> int:
        """Send up to this much of the file; how much it was. What went out before a reader hung up is counted too."""
        descriptor, transport = self.medium.file.fileno(), self.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        if length <= SMALL_BYTES:
            return await self._write_piece(start, length)
        self.writer.send_headers()
        os.lseek(descriptor, start, os.SEEK_SET)  # asyncio leaves it behind the last byte sent, also when it fails
        try:
            await asyncio.get_running_loop().sendfile(transport, self.medium.file, start, length, fallback=False)
        except asyncio.SendfileNotAvailableError:  # also what asyncio says when the first byte meets a dead connection
            return await self._write_piece(start, SMALL_BYTES)
        finally:
            sent = os.lseek(descriptor, 0, os.SEEK_CUR) - start
            self._count(start, sent)
        if sent == 0:
            raise ConnectionResetError  # the file became shorter
        return sent

    async def _write_piece(self, start: int, length: int) -> int:
        """The same without sendfile, whose preparations cost more than copying a little."""
        data = os.pread(self.medium.file.fileno(), length, start)
        await self.writer.write(data)
        if not data or self.request.transport is None or self.request.transport.is_closing():
            raise ConnectionResetError
        self._count(start, len(data))
        return len(data)

    def _count(self, start: int, sent: int) -> None:
        """Take note of these bytes."""
        if not sent:
            return
        grant, slot, now, stop = self.medium.grant, self.medium.held.template.slot_offset, time.time(), start + sent
        grant.served += sent
        cover(grant.coverage, start // BLOCK_BYTES, (stop - 1) // BLOCK_BYTES)
        grant.last_read = now
        is_new = grant.first_read is None
        grant.first_read = grant.first_read or now
        if grant.kickstart_read is None and start < slot + max(1, len(grant.kickstart)) and stop > slot:
            grant.kickstart_read, is_new = now, True
        self.store.touched(grant)
        if is_new:  # what steps decide by is written at once
            self.store.flush()


def cover(bitmap: bytearray, first: int, last: int) -> None:
    """Set the bits of these blocks."""
    if len(bitmap) <= last // 8:
        bitmap.extend(bytes(last // 8 + 1 - len(bitmap)))
    for block in range(first, last + 1):
        bitmap[block // 8] |= 1 << (block % 8)


def covered_bytes(bitmap: bytes | bytearray, size_bytes: int) -> int:
    """How many distinct bytes were sent, to the next block."""
    return min(size_bytes, sum(byte.bit_count() for byte in bitmap) * BLOCK_BYTES)
