"""Check the host table where the run happens. Afterwards the table is known to be without fault, and what it means."""

from pathlib import PurePosixPath

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.errors import Refused
from steps.domain.plan import InstallPlan, digest_of, plan_install, refuse_protected
from steps.domain.table_checks import Surroundings


class Input(runtime.StepInput):
    table: str
    only: list[str] = []
    reinstall: bool = False
    approved: str = ""


class Output(StepOutput):
    hosts: list[str]
    digest: str


@runtime.step()
def plan_hosts(given: Input) -> Output:
    plan = plan_of(given)
    refuse_protected(plan)
    digest = digest_of(plan)
    if given.approved not in ("", digest):
        raise Refused(
            "the plan is not the one that was confirmed",
            where="the plan",
            hint="the table or the ISO changed since: look at `hera plan install-hosts` and confirm again",
        )
    runtime.say(f"{len(plan.hosts)} hosts will be installed", digest=digest)
    return Output(hosts=[host.name for host in plan.hosts], digest=digest)


def plan_of(given: Input) -> InstallPlan:
    """The plan of this table with what can be reached from here; the same text always makes the same plan."""
    with runtime.media_at(given) as media:
        return plan_install(
            given.table,
            "table",
            Surroundings(
                read_secret=runtime.secret_or_none,
                find_iso=lambda path: media.iso(PurePosixPath(path).name),
            ),
            only=given.only,
            reinstall=given.reinstall,
        )
