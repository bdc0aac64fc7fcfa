"""Check an image's settings, and what they ask of vCenter. Afterwards both are without fault; nothing was made."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.image.plan import BuildPlan, OnError
from steps.domain.image.planning import Choices
from steps.planning import as_parameter, confirmed, planned
from steps.vcenter import must_be_ready


class Input(runtime.StepInput):
    settings: str
    on_error: OnError = "cleanup"
    force: bool = False
    approved: str = ""


class Output(StepOutput):
    plan: str
    digest: str
    name: str


@runtime.step()
def plan_build(given: Input) -> Output:
    plan = planned(given.settings, "image", Choices(given.on_error, given.force))
    assert isinstance(plan, BuildPlan)
    digest = confirmed(plan, given.approved)
    must_be_ready(plan, given.run)
    runtime.progress(100, f"{plan.name} will be built from {plan.iso.name}")
    return Output(plan=as_parameter(plan), digest=digest, name=plan.name)
