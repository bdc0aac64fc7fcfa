"""Afterwards an ISO that comes by URL lies whole in the datastore; it passes through this step and is not kept here."""

from typing import Literal

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.build import iso_stream
from steps.clients import download
from steps.clients.vsphere.inventory import Site
from steps.domain.errors import HerasphereError, NotFound, Unavailable
from steps.domain.image.plan import BuildPlan, IsoSource
from steps.vcenter import site_of


class Input(runtime.StepInput):
    plan: BuildPlan


class Output(StepOutput):
    iso: str
    action: Literal["found", "fetched", "left to upload_iso"]
    evidence: str


@runtime.step()
def fetch_iso(given: Input) -> Output:
    iso = given.plan.iso
    with site_of(given.plan) as site:
        if there := iso_stream.held(site, iso, given.run):
            return _told(there, "found", f"{there} is there already")
        urls = [url for url in iso.urls if url.startswith(("http://", "https://"))]
        if not urls:
            return _told("", "left to upload_iso", f"{iso.name} comes by no URL")
        url, path = _first(site, iso, given.run, urls)
    return _told(path, "fetched", f"{path} from {url}, " + ("checksum right" if iso.digest else "not checked"))


def _first(site: Site, iso: IsoSource, run: str, urls: list[str]) -> tuple[str, str]:
    """The first URL that gives the right ISO, and where it lies now; else what each of them said."""
    said: list[HerasphereError] = []
    for url in urls:
        try:
            with download.opened(url) as source:
                return url, iso_stream.keep(site, iso, run, source.chunks(), source.size_bytes, url)
        except HerasphereError as error:
            if error.where != url:  # the datastore's fault: another mirror would not help
                raise
            runtime.say(f"{url}: {error.what}")
            said.append(error)
    if len(said) == 1:
        raise said[0]
    what = "; ".join(f"{error.where}: {error.what}" for error in said)
    passes = any(isinstance(error, Unavailable) for error in said)
    raise (Unavailable if passes else NotFound)(f"no mirror has it: {what}", where=iso.name, hint=said[0].hint)


def _told(iso: str, action: Literal["found", "fetched", "left to upload_iso"], evidence: str) -> Output:
    runtime.progress(100, evidence)
    return Output(iso=iso, action=action, evidence=evidence)
