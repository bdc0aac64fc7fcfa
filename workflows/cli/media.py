"""`hera media serve | add | list`: the media service on its own."""

import hashlib
import json
import logging
import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from steps.clients.media import Media
from steps.domain.errors import NotFound
from steps.domain.host import Iso
from steps.media import service
from steps.media.service import Addresses, Ready
from workflows.backends.download import downloaded
from workflows.backends.media_process import USERS, MediaAt, running_in, token_of
from workflows.cli.options import AsJson, Cluster, made, state_folder, takes_cluster
from workflows.cli.tables import columns

app = typer.Typer(help="The media service: gives each host its own ISO out of one file.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="its state; default: the one of `hera run`")
]
Url = Annotated[
    str | None, typer.Option("--media", metavar="URL", help="control URL; default: the one on this machine")
]

OnCluster = Annotated[bool, typer.Option("--cluster", help="the media service of the cluster; -n names the namespace")]


@app.command()
def serve(
    address: Annotated[str, typer.Option(metavar="HOST[:PORT]", help="where BMCs and installers reach it")],
    control: Annotated[str, typer.Option(metavar="HOST:PORT", help="where steps reach it")] = "127.0.0.1:0",
    public_url: Annotated[str, typer.Option(metavar="URL", help="how BMCs call it, if not by its address")] = "",
    folder: Folder = None,
    library: Annotated[Path | None, typer.Option(metavar="DIR", help="take in ISOs that people put here")] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="holds the control token; default: one made in its folder")
    ] = None,
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
    service.serve(
        place, addresses, token=_token(token_file) if token_file else token_of(place), ready=ready, users=users
    )


def _token(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        hint = "it holds only the control token"
        raise NotFound(f"cannot be read: {error.strerror}", where=f"--token-file {file}", hint=hint) from error


def _host_and_port(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+)(?::(\d{1,5}))?", text)
    if not match:
        raise typer.BadParameter(f"{text!r} is no HOST:PORT", param_hint="address")
    return match[1], int(match[2] or 0)


@app.command()
@takes_cluster
def add(
    iso: Annotated[list[str], typer.Argument(metavar="FILE|URL...", help="a URL is downloaded here and sent on")],
    cluster: Cluster,
    on_cluster: OnCluster = False,
    url: Url = None,
    folder: Folder = None,
) -> None:
    """Give ESXi ISOs to a running media service. On this machine it serves a file where it lies, without a copy."""
    with _media(cluster if on_cluster else None, url, folder) as media, ExitStack() as downloads:
        for each in iso:
            is_url = each.startswith(("http://", "https://"))
            place = made(folder or state_folder() / "media") if is_url else Path()
            path = downloads.enter_context(downloaded(each, place)) if is_url else Path(each).resolve()
            held = _given(media, path, upload=on_cluster or is_url or url is not None)
            print(f"{held.name}\t{held.version}\t{held.build}\t{held.sha256}")


def _given(media: Media, path: Path, *, upload: bool) -> Iso:
    """Have the service hold it. What it holds already is not sent again: it is large, and the way may be long."""
    if not upload:
        return media.add_iso(path, upload=False)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NotFound(f"cannot be read: {error.strerror}", where=str(path), hint="correct the path") from error
    for iso in media.isos():
        if (iso.name, iso.sha256) == (path.name, sha256):
            print(f"{path.name} is there already", file=sys.stderr)
            return iso
    print(f"sending {path.name}, {path.stat().st_size >> 20} MiB", file=sys.stderr)
    return media.add_iso(path)


@app.command("list")
@takes_cluster
def list_isos(
    cluster: Cluster, on_cluster: OnCluster = False, url: Url = None, folder: Folder = None, as_json: AsJson = False
) -> None:
    """List the ISOs which a media service holds."""
    with _media(cluster if on_cluster else None, url, folder) as media:
        isos = media.isos()
    if as_json:
        print(json.dumps([iso.model_dump() for iso in isos], indent=2))
        return
    rows = [(iso.name, iso.version, iso.build, f"{iso.size_bytes / 2**20:.0f} MiB", iso.sha256[:12]) for iso in isos]
    print(columns([("NAME", "ESXI", "BUILD", "SIZE", "SHA256"), *rows]))


def _media(cluster: Cluster | None, url: str | None, folder: Path | None) -> Media:
    """The service which the options name; a context manager."""
    if cluster is None:
        at = _service(url, folder)
        return Media(at.control_url, at.token)
    if url is not None:
        raise typer.BadParameter("either --cluster or --media URL", param_hint="--cluster")
    return cluster.backend().media()


def _service(url: str | None, folder: Path | None) -> MediaAt:
    place = folder or state_folder() / "media"
    if url is not None:
        return MediaAt(url.rstrip("/"), os.environ.get("HERASPHERE_MEDIA_TOKEN") or token_of(place), "")
    found = running_in(place)
    if found is None:
        raise NotFound("no media service runs", where=str(place), hint="`hera media serve`, or name one: --media URL")
    return found
