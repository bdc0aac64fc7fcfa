"""`hera doctor --vcenter`: can images be built there, by that user?"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from steps.clients import vsphere
from steps.clients.vsphere import VSphere, files
from steps.clients.vsphere.inventory import locate
from steps.clients.vsphere.readiness import lacking
from steps.domain.errors import ConfigError, HerasphereError
from steps.domain.image.plan import SitePlan
from workflows.cli.finding import Finding
from workflows.image_desk import ImageDesk


def look_at(settings: Sequence[Path]) -> Iterator[Finding]:
    """The vCenter of these settings: whether it lets in, has the place, and grants what a build needs."""
    desk = ImageDesk(settings, os.environ)
    try:
        plan = desk.plan_site()
    except ConfigError as error:
        for fault in error.faults:
            yield Finding("vCenter", f"{fault.file}:{fault.line}:{fault.column}: {fault.message}", fault.hint)
        return
    at, texts = plan.vcenter, desk.secrets.texts
    try:
        with vsphere.connect(
            at.server,
            username=texts[at.username],
            password=texts[at.password],
            ca_pem=texts[at.ca] if at.ca else "",
            insecure=at.insecure,
        ) as made:
            yield from _inside(made, plan)
    except HerasphereError as error:
        yield Finding("vCenter", f"{error.where}: {error.what}", error.hint or "see docs/image-settings.md")


def _inside(made: VSphere, plan: SitePlan) -> Iterator[Finding]:
    about = made.content.about
    yield Finding("vCenter", f"{plan.vcenter.server}, {about.name} {about.version} build {about.build}")
    site = locate(made, plan.place, make_folder=False)
    folder = plan.place.folder or "/"
    yield Finding("VM folder", folder if site.folder is not None else f"{folder}, which the first build makes")
    yield Finding("datastore", f"{site.datastore_name}, {files.free_bytes(site) / 2**30:.0f} GiB free")
    missing = list(lacking(site, list(plan.networks)))
    for each in missing:
        yield Finding("privileges", each.what, each.hint)
    if not missing:
        yield Finding("privileges", "all that docs/image-privileges.md lists, on folder, datastore, pool and networks")
