"""Afterwards the VM stands on a snapshot of the name the settings give: what linked clones are made of."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.vcenter import VmInput, work_on


class Input(VmInput):
    pass


class Output(StepOutput):
    snapshot: str
    evidence: str


@runtime.step()
def take_snapshot(given: Input) -> Output:
    """snapshot: its managed object id; empty if none is wanted"""
    name = given.plan.finish.snapshot
    if not name:
        runtime.progress(100, "the settings want no snapshot")
        return Output(snapshot="", evidence="the settings want no snapshot")
    with work_on(given) as work:
        there = work.vm.snapshots().get(name)
        snapshot = there or work.vm.snapshot(name, f"made by herasphere, run {given.run}")
    evidence = f"snapshot {name} " + ("was there already" if there else "taken")
    runtime.progress(100, evidence)
    return Output(snapshot=snapshot, evidence=evidence)
