"""The virtual CD: an ISO read over HTTP by Range, block by block, as BMCs do, and what a firmware finds on it."""

import http.client
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast
from urllib.parse import urlsplit

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from tests.lab.machine import FirmwareMode

TRIES = 3
PLATFORM: dict[FirmwareMode, int] = {"Legacy": 0, "UEFI": 0xEF}  # El Torito's platform ids
BOOT_CONFIG: dict[FirmwareMode, str] = {"Legacy": "/BOOT.CFG", "UEFI": "/EFI/BOOT/BOOT.CFG"}


class MediumError(Exception):
    """The medium cannot be read, or does not boot; the text says why."""


def read_medium(url: str, *, block_bytes: int, go_on: Callable[[int, int], bool], timeout_s: float = 10) -> bytes:
    """The whole medium, over one connection.

    go_on: called before each block with the bytes read and the size; False ends the reading there
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        size = int(_ask(connection, "HEAD", parts.path, {}, 200)[1].get("Content-Length", "0"))
        taken = bytearray()
        while len(taken) < size and go_on(len(taken), size):
            last = min(len(taken) + block_bytes, size) - 1
            wanted = f"{len(taken)}-{last}"
            body, headers = _ask(connection, "GET", parts.path, {"Range": f"bytes={wanted}"}, 206)
            if headers.get("Content-Range") != f"bytes {wanted}/{size}" or len(body) != last - len(taken) + 1:
                raise MediumError(f"asked for bytes {wanted}, got {len(body)}: {headers.get('Content-Range')}")
            taken += body
        return bytes(taken)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise MediumError(f"{url}: {error or type(error).__name__}") from error
    finally:
        connection.close()


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], status: int
) -> tuple[bytes, http.client.HTTPMessage]:
    """One answer; a connection that is lost is made again, as BMCs do, a few times."""
    for tries_left in reversed(range(TRIES)):
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            break
        except (OSError, http.client.HTTPException):
            connection.close()
            if not tries_left:
                raise
    if answer.status != status:
        raise MediumError(f"{method} {path} {headers}: HTTP {answer.status} {answer.reason}")
    return body, answer.headers


class Medium:
    """An ESXi ISO as its boot loader and installer see it."""

    def __init__(self, content: bytes) -> None:
        self._iso = pycdlib.PyCdlib()
        try:
            self._iso.open_fp(BytesIO(content))
        except PyCdlibException as error:
            raise MediumError(f"no ISO 9660 file system: {error}") from error

    def close(self) -> None:
        self._iso.close()

    def read(self, path: str) -> bytes:
        """A file by its ISO 9660 path, upper case, as `cdrom:` paths are."""
        out = BytesIO()
        try:
            self._iso.get_file_from_iso_fp(out, iso_path=f"{path};1")
        except PyCdlibException as error:
            raise MediumError(f"{path} is not on the CD") from error
        return out.getvalue()

    def kernel_options(self, mode: FirmwareMode) -> list[str]:
        """The words of kernelopt= in the BOOT.CFG of this firmware, once everything needed to boot was found."""
        self._check_boot_entry(mode)
        config = self.read(BOOT_CONFIG[mode]).decode("ascii")
        values = dict(line.split("=", 1) for line in config.splitlines() if "=" in line and not line.startswith("#"))
        for name in [values.get("kernel", ""), *values.get("modules", "").split(" --- ")]:
            self.read("/" + name.strip().lstrip("/").upper())
        return values.get("kernelopt", "").split()

    def version(self) -> tuple[str, str]:
        """Version and build."""
        found = re.search(r"ESXi (\d+\.\d+\.\d+)-(\d+)", self.read("/.DISCINFO").decode("ascii"))
        if found is None:
            raise MediumError(".DISCINFO names no version")
        return found[1], found[2]

    def _check_boot_entry(self, mode: FirmwareMode) -> None:
        """Raise unless the boot catalog has an entry for this firmware and it points into the ISO."""
        catalog = cast(Any, self._iso.eltorito_boot_catalog)
        if catalog is None:
            raise MediumError("no boot catalog")
        entries = {catalog.validation_entry.platform_id: [catalog.initial_entry]}
        for section in catalog.sections:
            entries.setdefault(section.platform_id, []).extend(section.section_entries)
        if not any(entry.boot_indicator == 0x88 and entry.get_rba() > 0 for entry in entries.get(PLATFORM[mode], ())):
            raise MediumError(f"no boot entry for {mode}")
