"""`hera media serve | add | list`: the media service on its own."""

import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from steps.clients.media import Media
from steps.domain.errors import NotFound
from steps.media import service
from steps.media.service import Addresses, Ready
from workflows.backends.media_process import USERS, MediaAt, running_in, token_of
from workflows.cli.options import AsJson, state_folder
from workflows.cli.tables import columns

app = typer.Typer(help="The media service: gives each host its own ISO out of one file.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="its state; default: the one of `hera run`")
]
Url = Annotated[
    str | None, typer.Option("--media", metavar="URL", help="control URL; default: the one on this machine")
]


@app.command()
def serve(
    address: Annotated[str, typer.Option(metavar="HOST[:PORT]", help="where BMCs and installers reach it")],
    control: Annotated[str, typer.Option(metavar="HOST:PORT", help="where steps reach it")] = "127.0.0.1:0",
    public_url: Annotated[str, typer.Option(metavar="URL", help="how BMCs call it, if not by its address")] = "",
    folder: Folder = None,
    library: Annotated[Path | None, typer.Option(metavar="DIR", help="take in ISOs that people put here")] = None,
    while_used: Annotated[bool, typer.Option(hidden=True, help="end with the last run that uses it")] = False,
) -> None:
    """Serve until stopped. What it knows is in its folder; started again there it goes on where it was."""
    place = folder or state_folder() / "media"
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    media_host, media_port = _host_and_port(address)
    control_host, control_port = _host_and_port(control)
    addresses = Addresses(media_host, media_port, control_host, control_port, public_url, library)

    def ready(at: Ready) -> None:
        line = json.dumps({"control_url": at.control_url, "public_url": at.public_url})
        (place / "service.json").write_text(line + "\n")
        print(line, flush=True)

    users = place / USERS if while_used else None
    service.serve(place, addresses, token=token_of(place), ready=ready, users=users)


def _host_and_port(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+)(?::(\d{1,5}))?", text)
    if not match:
        raise typer.BadParameter(f"{text!r} is no HOST:PORT", param_hint="address")
    return match[1], int(match[2] or 0)


@app.command()
def add(file: Annotated[list[Path], typer.Argument(metavar="ISO...")], url: Url = None, folder: Folder = None) -> None:
    """Give ESXi ISOs to a running media service. On this machine it serves the file where it lies, without a copy."""
    at = _service(url, folder)
    with Media(at.control_url, at.token) as media:
        for path in file:
            iso = media.add_iso(path.resolve(), upload=url is not None)
            print(f"{iso.name}\t{iso.version}\t{iso.build}\t{iso.sha256}")


@app.command("list")
def list_isos(url: Url = None, folder: Folder = None, as_json: AsJson = False) -> None:
    """List the ISOs which a media service holds."""
    at = _service(url, folder)
    with Media(at.control_url, at.token) as media:
        isos = media.isos()
    if as_json:
        print(json.dumps([iso.model_dump() for iso in isos], indent=2))
        return
    rows = [(iso.name, iso.version, iso.build, f"{iso.size_bytes / 2**20:.0f} MiB", iso.sha256[:12]) for iso in isos]
    print(columns([("NAME", "ESXI", "BUILD", "SIZE", "SHA256"), *rows]))


def _service(url: str | None, folder: Path | None) -> MediaAt:
    place = folder or state_folder() / "media"
    if url is not None:
        return MediaAt(url.rstrip("/"), os.environ.get("HERASPHERE_MEDIA_TOKEN") or token_of(place), "")
    found = running_in(place)
    if found is None:
        raise NotFound("no media service runs", where=str(place), hint="`hera media serve`, or name one: --media URL")
    return found
