"""Afterwards nothing of this run is left that a failed build would leave: its VM, its pages, an ISO it could not check.

Runs however the build ended. What is not marked as this run's is never touched, and a VM is kept where that was asked.
"""

import posixpath
from contextlib import suppress
from typing import Literal

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.build.attach_kickstart import CD, FLOPPY
from steps.clients.vsphere import files, machines
from steps.clients.vsphere.inventory import Site
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import HerasphereError, NotFound
from steps.domain.image import cache
from steps.domain.image.plan import OnError
from steps.domain.image.planning import Choices
from steps.domain.image.vm import VmSeen
from steps.planning import PlanKind, planned
from steps.vcenter import site_of


class Input(runtime.StepInput):
    settings: str
    kind: PlanKind
    status: str
    on_error: OnError = "cleanup"


class Output(StepOutput):
    action: Literal["nothing", "kept", "destroyed"]
    evidence: str


@runtime.step()
def destroy_vm(given: Input) -> Output:
    try:
        plan = planned(given.settings, given.kind, Choices(given.on_error))
    except HerasphereError as error:
        return _told("nothing", f"the settings are no plan, so nothing was made ({error.what})")
    with runtime.media_at(given) as media:
        media.unpublish(run=given.run, name=plan.name)
    with site_of(plan, make_folder=False) as site:
        own = [each for each in machines.marked(site, given.run) if not each.is_finished]
        left = own if given.status != "Succeeded" else []
        names = ", ".join(each.name for each in left)
        if left and given.on_error == "keep":
            return _told("kept", f"{names} is kept for a look, as asked, with what is in its drives")
        for each in left:
            _destroy(site, each)
        files.remove(site, cache.unchecked_folder(given.run))  # not before: a host locks what a running VM reads
    return _told("destroyed", f"{names} destroyed") if left else _told("nothing", "nothing is left over")


def _destroy(site: Site, seen: VmSeen) -> None:
    """Remove the VM, and before it the kickstart beside it, of which vCenter does not know whose it is."""
    vm = Vm(site.vsphere, seen.moid)
    if seen.power != "off":
        vm.power_off()
    with suppress(NotFound):  # somebody has moved it to another datastore
        folder = posixpath.dirname(files.file_of(site, seen.path))
        for name in (FLOPPY, CD):
            files.remove(site, posixpath.join(folder, name))
    vm.destroy()


def _told(action: Literal["nothing", "kept", "destroyed"], evidence: str) -> Output:
    runtime.progress(100, evidence)
    return Output(action=action, evidence=evidence)
