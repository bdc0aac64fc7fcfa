"""Afterwards the appliance's VM is there, marked as this run's, with the resources of its plan and as its base is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import download
from steps.clients.download import Chunks
from steps.clients.vsphere import imports, library, machines
from steps.clients.vsphere.imports import Wanted
from steps.clients.vsphere.inventory import Site
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import NotFound
from steps.domain.image.plan import AppliancePlan
from steps.domain.image.vm import Mark, decide_create, temporary_name
from steps.domain.ova.archive import Readable
from steps.vcenter import site_of


class Input(runtime.StepInput):
    plan: AppliancePlan


class Output(StepOutput):
    vm: str
    action: Literal["create", "take up"]
    evidence: str


@runtime.step()
def clone_vm(given: Input) -> Output:
    plan = given.plan
    with site_of(plan) as site:
        mark = Mark(run=given.run, name=plan.name)
        own = machines.own(site, mark)
        if own is not None and own.notes.get("importing"):
            Vm(site.vsphere, own.moid).destroy()  # of an import that died; vCenter may not have removed it yet
            own = None
        there = machines.named(site, plan.name)
        seen = there.look() if there else None
        action = decide_create(plan.name, own, seen, force=plan.force)
        if own is None:
            name = temporary_name(plan.name, given.run) if seen else plan.name
            vm = _made(site, plan, name, mark)
        else:
            vm = Vm(site.vsphere, own.moid)
        made = vm.look()
        if made.power == "off":
            vm.resize(plan.resources)
    base = plan.base
    evidence = f"{made.name} ({vm.moid}) of {base.vm or base.library_item or base.ova}"
    runtime.progress(100, evidence)
    return Output(vm=vm.moid, action=action, evidence=evidence)


def _made(site: Site, plan: AppliancePlan, name: str, mark: Mark) -> Vm:
    base = plan.base
    if base.library_item:
        return library.deploy(site, base.library_item, name, mark, plan.property_values)
    if base.ova:
        with _opened(base.ova) as archive:
            return imports.deploy(site, archive, Wanted(name, mark, plan.property_values, plan.network), _tell)
    source = machines.anywhere(site, base.vm)
    snapshot = machines.snapshot_of(source, base)
    return machines.clone(
        site, source, name, mark, snapshot=snapshot, linked=base.linked, properties=plan.property_values, tell=_tell
    )


@contextmanager
def _opened(source: str) -> Iterator[Readable]:
    """The OVA at this URL or path, from its first byte."""
    if source.startswith(("http://", "https://")):
        with download.opened(source) as found:
            yield Chunks(found.chunks())
        return
    path = Path(unquote(urlsplit(source).path) if source.startswith("file://") else source)
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        hint = "a run on the cluster takes it from a URL"
        raise NotFound(f"it cannot be read: {error.strerror}", where=str(path), hint=hint) from error


def _tell(percent: int) -> None:
    runtime.progress(min(percent, 99), "vCenter makes the VM")
