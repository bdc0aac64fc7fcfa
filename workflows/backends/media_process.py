"""The media service of a run on this machine: one already running, or a process that ends with its last run."""

import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from steps.clients.media import Media
from steps.domain.errors import HerasphereError, Unavailable, Unsupported

STOP_TAKES_S = 15.0
USERS = "users"  # every run that uses the service in a folder holds a shared lock on this file


@dataclass(frozen=True)
class MediaAt:
    """Where a media service is controlled, with what token, and what BMCs call it."""

    control_url: str
    token: str
    public_url: str


def token_of(folder: Path) -> str:
    """The control token kept in the service's folder; made at first use, readable by its owner only."""
    path = folder / "token"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        own = folder / f"token.{os.getpid()}"
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        with suppress(FileExistsError):  # another run was first, and its token is whole
            os.link(own, path)
        own.unlink()
    return path.read_text().strip()


def address_towards(bmc_urls: Iterable[str]) -> str:
    """This machine's address on the route to the BMCs; Unsupported when they are reached from several addresses."""
    routes: dict[str, str] = {}
    for url in bmc_urls:
        parts = urlsplit(url)
        routes.setdefault(_source_towards(parts.hostname or "", parts.port or 443), parts.netloc)
    if len(routes) > 1:
        seen = ", ".join(f"{address} (towards {bmc})" for address, bmc in routes.items())
        raise Unsupported(
            f"the BMCs are reached from several addresses of this machine: {seen}",
            where="media service",
            hint="--media-address ADDRESS names the one which all of them can reach",
        )
    return next(iter(routes))


def _source_towards(host: str, port: int) -> str:
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(target)  # a datagram socket only looks up the route, nothing is sent
            return str(probe.getsockname()[0])
    except OSError as error:
        raise Unavailable(
            f"there is no way to {host}: {error.strerror or error}",
            where="media service",
            hint="check the BMC's address or name, and this machine's network",
        ) from error


def running_in(folder: Path) -> MediaAt | None:
    """The service that runs on this folder now, if one does."""
    try:
        noted = json.loads((folder / "service.json").read_text())
        at = MediaAt(noted["control_url"], token_of(folder), noted["public_url"])
        with Media(at.control_url, at.token) as media:
            media.isos()
    except (OSError, ValueError, KeyError, HerasphereError):
        return None
    return at


@contextmanager
def media_service(folder: Path, *, address: str, port: int, log: Path) -> Iterator[MediaAt]:
    """A media service which BMCs reach at this address, for as long as the context lasts.

    One that runs on the folder already is used: two services must not share a folder. One that was started here ends
    with its last user, however that one ends.
    """
    token_of(folder)
    started: subprocess.Popen[bytes] | None = None
    try:
        with (folder / USERS).open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for a service that is about to end
            with (folder / "start").open("a") as start:
                fcntl.flock(start, fcntl.LOCK_EX)  # of two runs that begin together one starts it
                at = running_in(folder)
                if at is None:
                    started = _start(folder, address, port, log)
                    at = _ready(started, folder, log)
            yield at
    finally:
        if started is not None:
            _stop_unless_used(started, folder)


def _start(folder: Path, address: str, port: int, log: Path) -> "subprocess.Popen[bytes]":
    host = f"[{address}]" if ":" in address else address
    serve = [sys.executable, "-m", "workflows", "media", "serve", "--while-used"]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*serve, "--folder", str(folder), "--address", f"{host}:{port}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )


def _stop_unless_used(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """End the service now, not a second later, if no other run uses it; else it looks for itself."""
    if process.stdout:
        process.stdout.close()
    with (folder / USERS).open("a") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # by another run, or by the service as it ends
            return
        process.terminate()
        try:
            process.wait(STOP_TAKES_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: "subprocess.Popen[bytes]", folder: Path, log: Path) -> MediaAt:
    """Wait for the line in which the service says where it listens."""
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise Unavailable(f"the media service did not start: {last[0]}", where=str(folder), hint=f"see {log}")
    said = json.loads(line)
    return MediaAt(said["control_url"], token_of(folder), said["public_url"])
