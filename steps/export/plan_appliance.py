"""Check an appliance's settings, and what they ask of vCenter. Afterwards both are without fault; nothing was made."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.image.plan import AppliancePlan, OnError
from steps.domain.image.planning import Choices
from steps.planning import as_parameter, confirmed, planned
from steps.vcenter import must_be_ready


class Input(runtime.StepInput):
    settings: str
    on_error: OnError = "cleanup"
    force: bool = False
    version: str = ""
    builds: str = ""
    approved: str = ""


class Output(StepOutput):
    plan: str
    digest: str


@runtime.step()
def plan_appliance(given: Input) -> Output:
    """builds: name of the base image that the same run builds; the one that is there now is not looked at"""
    plan = planned(given.settings, "appliance", Choices(given.on_error, given.force, given.version))
    assert isinstance(plan, AppliancePlan)
    digest = confirmed(plan, given.approved)
    must_be_ready(plan, given.run, builds=given.builds)
    base = plan.base
    runtime.progress(100, f"{plan.name} will be made of {base.vm or base.library_item or base.ova}")
    return Output(plan=as_parameter(plan), digest=digest)
