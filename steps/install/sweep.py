"""Clean up after runs that could not: terminated in Argo's UI, or deleted. Afterwards each such host has its clean-up
under way, as a Workflow of its own, and what was kept of runs long ago is dropped."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import engine
from steps.domain.children import ROLLOUT_ACCOUNT, clean_up_of
from steps.domain.errors import Conflict
from steps.domain.leftovers import is_left
from steps.domain.media import Lease

DAY_S = 86400


class Input(runtime.StepInput):
    keep_days: int = 90


class Output(StepOutput):
    hosts: list[str]
    forgotten: list[str]


@runtime.step(service_account_name=ROLLOUT_ACCOUNT)
def sweep(given: Input) -> Output:
    workflows = engine.connect(runtime.engine_socket())
    with runtime.media_at(given) as media:
        left = [lease for lease in media.unrevoked() if is_left(lease, workflows.phase)]
        forgotten = media.forget_runs(older_than_s=given.keep_days * DAY_S)
    for lease in left:
        _start(given, workflows, lease)
    told = f"{len(left)} hosts to clean up, {len(forgotten)} old runs dropped"
    runtime.progress(100, told)
    return Output(hosts=[lease.host for lease in left], forgotten=forgotten)


def _start(given: Input, workflows: engine.Engine, lease: Lease) -> None:
    origin = lease.origin
    assert origin is not None  # is_left looked
    child = clean_up_of(origin.host, run=given.run, of_run=lease.run, media=given.media, desk=origin.desk)
    runtime.say(f"cleaning up after {lease.run}", host=lease.host)
    try:
        workflows.create(child)
    except Conflict:
        runtime.say("was started before", host=lease.host)
