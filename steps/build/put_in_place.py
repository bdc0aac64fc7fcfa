"""Afterwards the VM has the name of the settings; one that had it before is gone, and stood untouched until then."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.vsphere import machines
from steps.domain.image.vm import decide_replace
from steps.vcenter import VmInput, work_on


class Input(VmInput):
    pass


class Output(StepOutput):
    evidence: str


@runtime.step()
def put_in_place(given: Input) -> Output:
    plan = given.plan
    with work_on(given) as work:
        own = work.vm.look()
        old = machines.named(work.site, plan.name)
        replaced = old is not None and old.moid != own.moid
        if old is not None and replaced:
            decide_replace(old.look(), force=plan.force)
            if old.look().power != "off":
                old.power_off()
            old.destroy()
        if own.name != plan.name:
            work.vm.rename(plan.name)
    evidence = f"{plan.name} stands" + (", the one before it is gone" if replaced else "")
    runtime.progress(100, evidence)
    return Output(evidence=evidence)
