"""Afterwards no host's workflow of this run is under way any more: those that were have been stopped and cleaned up."""

from typing import Any

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import engine
from steps.domain.children import ROLLOUT_ACCOUNT
from steps.domain.rollout import FINISHED
from steps.domain.wait import wait_until

CLEAN_UP_TAKES_S = 900.0  # ejecting at a slow BMC, with retries


class Output(StepOutput):
    stopped: int


@runtime.step(service_account_name=ROLLOUT_ACCOUNT)
def stop_hosts(given: runtime.StepInput) -> Output:
    children = engine.connect(runtime.engine_socket())
    under_way = _under_way(children, given.run)
    for name in under_way:
        runtime.say(f"stopping {name}")
        children.stop(name)
    if under_way:
        wait_until(
            lambda: None if _under_way(children, given.run) else True,
            what="the clean-up of stopped hosts",
            where=given.run,
            hint="look at the hosts' own workflows; media may still be mounted",
            timeout_s=CLEAN_UP_TAKES_S,
        )
    return Output(stopped=len(under_way))


def _under_way(children: engine.Engine, run: str) -> list[str]:
    return [w["metadata"]["name"] for w in children.list(run) if not _has_ended(w)]


def _has_ended(workflow: dict[str, Any]) -> bool:
    """Also true of one that waits for a mutex and was stopped: Argo keeps it Pending until the lock is free, and it has
    done nothing that needs cleaning up."""
    status = workflow.get("status", {})
    never_began = status.get("phase", "") in ("", "Pending") and not status.get("nodes")
    return status.get("phase", "") in FINISHED or (never_began and bool(workflow.get("spec", {}).get("shutdown")))
