"""Afterwards the installer's kickstart is where the boot command looks: on a floppy, a second CD, or a web page."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.media import Media
from steps.clients.vsphere import drives, files
from steps.domain import passwords
from steps.domain.image import bundle
from steps.domain.image.cd import cd
from steps.domain.image.floppy import floppy
from steps.domain.image.plan import BuildPlan, Kickstart
from steps.domain.image.rendering import rendered
from steps.vcenter import VmInput, Work, work_on

FLOPPY, CD = "kickstart.flp", "kickstart.iso"
PAGES_S = 6 * 3600


class Input(VmInput):
    plan: BuildPlan


class Output(StepOutput):
    pages: str
    evidence: str


@runtime.step()
def attach_kickstart(given: Input) -> Output:
    """pages: URL of the media service's pages; empty if there are none"""
    said: list[str] = []
    pages = ""
    kickstart = given.plan.kickstart
    if not (kickstart.floppy or kickstart.cd or kickstart.http):
        runtime.progress(100, "the settings name no kickstart")
        return Output(pages="", evidence="the settings name no kickstart")
    with work_on(given) as work, runtime.media_at(given) as media:
        values = _values(given)
        for name, image in _images(media, kickstart, values):
            _put(work, name, image)
            said.append(f"{name} of {len(image) >> 10} KiB")
        if kickstart.http:
            made = _files(media, kickstart, [kickstart.http], values)
            pages = media.publish(run=given.run, name=given.plan.name, files=made, ttl_s=PAGES_S).base_url
            said.append(f"{len(made)} pages at the media service")
    evidence = ", ".join(said)
    runtime.progress(100, evidence)
    return Output(pages=pages, evidence=evidence)


def _values(given: Input) -> dict[str, str]:
    """What a kickstart ending in .j2 may name."""
    login, name = given.plan.guest.login, given.plan.name
    password = runtime.secret(login.password) if login and login.password else ""
    salt = passwords.salt(run=given.run, host=name)  # the same in a second try
    return {
        "name": name,
        "ssh_username": login.username if login else "",
        "ssh_password_hash": passwords.sha512_crypt(password, salt=salt) if password else "!",
    }


def _images(media: Media, kickstart: Kickstart, values: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    if kickstart.floppy:
        yield FLOPPY, floppy(_files(media, kickstart, kickstart.floppy, values), kickstart.floppy_label)
    if kickstart.cd:
        yield CD, cd(_files(media, kickstart, kickstart.cd, values), kickstart.cd_label)


def _files(media: Media, kickstart: Kickstart, names: Sequence[str], values: Mapping[str, str]) -> dict[str, bytes]:
    """The files that these names of the settings mean, out of the run's bundle."""
    found: dict[str, bytes] = {}
    for name in names:
        with media.bundle(kickstart.bundle) as packed:
            found |= dict(rendered(((each.path, each.content) for each in bundle.unpack(packed, name)), values))
    return found


def _put(work: Work, name: str, image: bytes) -> None:
    """The image lies beside the VM, goes with it, and is in its drive."""
    site, vm = work.site, work.vm
    path = posixpath.join(posixpath.dirname(files.file_of(site, vm.look().path)), name)
    files.send(site, path, [image], len(image))
    if name == FLOPPY:
        drives.insert_floppy(vm, site.path(path))
    else:
        drives.insert_cd(vm, site.path(path))
