"""Afterwards an ISO that lies on this machine lies whole in the datastore too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.build import iso_stream
from steps.clients.vsphere.files import CHUNK_BYTES
from steps.domain.errors import NotFound
from steps.domain.image.plan import BuildPlan
from steps.vcenter import site_of

FILE = "file"


class Input(runtime.StepInput):
    plan: BuildPlan
    fetched: str = ""


class Output(StepOutput):
    iso: str
    action: Literal["found", "uploaded"]
    evidence: str


@runtime.step()
def upload_iso(given: Input) -> Output:
    """fetched: datastore path of an ISO that is there already"""
    if given.fetched:
        return _told(given.fetched, "found", f"{given.fetched} is there already")
    iso = given.plan.iso
    with site_of(given.plan) as site:
        if there := iso_stream.held(site, iso, given.run):  # this step came so far before
            return _told(there, "found", f"{there} is there already")
        path = _file_of(iso.urls)
        size_bytes = _size_bytes(path)
        made = iso_stream.keep(site, iso, given.run, _chunks(path), size_bytes, str(path))
    return _told(made, "uploaded", f"{made} from {path}, " + ("checksum right" if iso.digest else "not checked"))


def _file_of(urls: tuple[str, ...]) -> Path:
    """The file on this machine that the first file:// URL means."""
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme == FILE:
            return Path(unquote(parts.path))
    raise NotFound("the ISO comes from nowhere", where=", ".join(urls), hint="give iso_url or iso_path")


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        hint = "a run on the cluster takes it from a URL: http://, https://, or iso_path"
        raise NotFound(f"it cannot be read: {error.strerror}", where=str(path), hint=hint) from error


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from iter(lambda: file.read(CHUNK_BYTES), b"")
    except OSError as error:
        raise NotFound(f"it cannot be read: {error.strerror}", where=str(path), hint="correct the path") from error


def _told(iso: str, action: Literal["found", "uploaded"], evidence: str) -> Output:
    runtime.progress(100, evidence)
    return Output(iso=iso, action=action, evidence=evidence)
