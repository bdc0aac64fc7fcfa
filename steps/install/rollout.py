"""Afterwards each host of the table has had its own install-host workflow, never more than `limit` at a time.

Run a second time it finds its children by their names and goes on; a closed laptop changes nothing.
"""

from typing import Any

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import engine
from steps.domain.children import HOST_LABEL, ROLLOUT_ACCOUNT, child_of
from steps.domain.errors import Conflict, HerasphereError, Refused
from steps.domain.host import Host
from steps.domain.leftovers import is_left
from steps.domain.plan import digest_of
from steps.domain.rollout import FINISHED, next_moves
from steps.domain.wait import SYSTEM_CLOCK
from steps.install import plan_hosts

LOOK_EVERY_S = 2.0


class Input(plan_hosts.Input):
    uid: str
    digest: str
    limit: int = 0
    desk: str = ""


class Output(StepOutput):
    succeeded: int
    failed: int


class HostsFailed(HerasphereError):
    """Some hosts did not get through; each one's own workflow tells why."""

    exit_code = 1


@runtime.step(service_account_name=ROLLOUT_ACCOUNT)
def rollout(given: Input) -> Output:
    plan = plan_hosts.plan_of(plan_hosts.Input(**given.model_dump(include=set(plan_hosts.Input.model_fields))))
    if digest_of(plan) != given.digest:
        raise Refused("the plan changed while the run was starting", where=given.run, hint="start a new run")
    hosts = {host.name: host for host in plan.hosts}
    children = engine.connect(runtime.engine_socket())
    _end_leftovers(given, hosts, children)
    phases = _drive(given, hosts, children, given.limit or plan.limit)
    failed = sorted(name for name, phase in phases.items() if phase != "Succeeded")
    if failed:
        again = "with --only" if runtime.engine_socket() else f"by `hera retry {given.run}`"
        raise HostsFailed(
            f"{len(failed)} of {len(hosts)} hosts failed: {', '.join(failed)}",
            where=given.run,
            hint=f"see the report; run the failed ones again {again}",
        )
    return Output(succeeded=len(hosts), failed=0)


def _end_leftovers(given: Input, hosts: dict[str, Host], children: engine.Engine) -> None:
    """End the leases that runs which are over still hold on these servers; their media are then replaced."""
    serials = {host.serial.casefold() for host in hosts.values()}
    with runtime.media_at(given) as media:
        for lease in media.unrevoked():
            if lease.run != given.run and lease.serial.casefold() in serials and is_left(lease, children.phase):
                runtime.say(f"run {lease.run} is over and never cleaned up: ending its lease", host=lease.host)
                media.revoke(run=lease.run, host=lease.host)


def _drive(given: Input, hosts: dict[str, Host], children: engine.Engine, limit: int) -> dict[str, str]:
    while True:
        phases = _phases(children.list(given.run))
        moves = next_moves(list(hosts), phases, limit)
        for name in moves.start:
            runtime.say(f"starting {name}", host=name)
            try:
                children.create(_child(given, hosts[name]))
            except Conflict:
                runtime.say(f"{name} was started before", host=name)
        done = sum(phase in FINISHED for phase in phases.values())
        runtime.progress(100 * done // len(hosts), f"{done} of {len(hosts)} hosts done")
        if moves.finished:
            return phases
        SYSTEM_CLOCK.sleep(LOOK_EVERY_S)


def _child(given: Input, host: Host) -> dict[str, Any]:
    return child_of(host, run=given.run, uid=given.uid, media=given.media, desk=given.desk, reinstall=given.reinstall)


def _phases(workflows: list[dict[str, Any]]) -> dict[str, str]:
    return {w["metadata"]["labels"][HOST_LABEL]: w.get("status", {}).get("phase", "") for w in workflows}
