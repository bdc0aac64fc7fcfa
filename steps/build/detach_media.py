"""Afterwards the VM has no floppy and no CD drive, and what this run put into them is gone."""

import posixpath

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.build.attach_kickstart import CD, FLOPPY
from steps.clients.vsphere import drives, files
from steps.domain.image import cache
from steps.domain.image.plan import BuildPlan
from steps.vcenter import VmInput, work_on


class Input(VmInput):
    plan: BuildPlan


class Output(StepOutput):
    evidence: str


@runtime.step()
def detach_media(given: Input) -> Output:
    kickstart = given.plan.kickstart
    with work_on(given) as work:
        count = drives.remove(work.vm)
        folder = posixpath.dirname(files.file_of(work.site, work.vm.look().path))
        for name, used in ((FLOPPY, kickstart.floppy), (CD, kickstart.cd)):
            if used:
                files.remove(work.site, posixpath.join(folder, name))
        files.remove(work.site, cache.unchecked_folder(given.run))
    if kickstart.http:
        with runtime.media_at(given) as media:
            media.unpublish(run=given.run, name=given.plan.name)
    evidence = f"{count} drives taken out" if count else "the drives were taken out before"
    runtime.progress(100, evidence)
    return Output(evidence=evidence)
