"""Afterwards the VM is there, off, marked as this run's, with the installer's ISO in its first CD drive."""

from typing import Literal

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.vsphere import machines
from steps.domain.image.plan import BuildPlan
from steps.domain.image.vm import Mark, Origin, decide_create, temporary_name
from steps.vcenter import site_of


class Input(runtime.StepInput):
    plan: BuildPlan
    iso: str


class Output(StepOutput):
    vm: str
    action: Literal["create", "take up"]
    evidence: str


@runtime.step()
def create_vm(given: Input) -> Output:
    plan = given.plan
    with site_of(plan) as site:
        mark = Mark(run=given.run, name=plan.name)
        own = machines.own(site, mark)
        there = machines.named(site, plan.name)
        seen = there.look() if there else None
        action = decide_create(plan.name, own, seen, force=plan.force)
        if own is not None:
            evidence = f"{own.name} was made by this run already ({own.moid})"
            runtime.progress(100, evidence)
            return Output(vm=own.moid, action=action, evidence=evidence)
        name = temporary_name(plan.name, given.run) if seen else plan.name
        drives = len(plan.machine.hardware.cds)
        made = machines.create(
            site,
            name,
            plan.machine,
            mark,
            Origin(os_name=plan.os_name, iso_checksum=plan.iso.sum),
            media=[given.iso, *[""] * (drives - 1)],
            tell=lambda percent: runtime.progress(min(percent, 99), "vCenter makes the VM"),
        )
    evidence = f"{name} ({made.moid}) with {given.iso}" + (f"; {plan.name} stays until it stands" if seen else "")
    runtime.progress(100, evidence)
    return Output(vm=made.moid, action=action, evidence=evidence)
