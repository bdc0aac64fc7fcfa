"""`hera retry`, `resubmit`: a new run in the place of an old one."""

import sys
from collections.abc import Sequence

import typer

from workflows.backends.argo.rerun import OldRun, failed_hosts, old_run, parameters_for, plan_of, rerun
from workflows.cli.confirm import confirm
from workflows.cli.following import follow
from workflows.cli.options import AsJson, Cluster, Reinstall, Yes, takes_cluster
from workflows.cli.order import tell_unknown
from workflows.cli.runs import Run
from workflows.cli.submit import Watch, tell_started


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(retry)
    app.command()(resubmit)


@takes_cluster
def retry(
    run: Run, cluster: Cluster, reinstall: Reinstall = False, yes: Yes = False, watch: Watch = False,
    json: AsJson = False,
) -> None:  # fmt: skip
    """Start a new run with the hosts of an old one that failed, were stopped or not started."""
    old = old_run(cluster.backend(), run)
    _again(old, cluster, failed_hosts(old), reinstall=reinstall, yes=yes, watch=watch, as_json=json)


@takes_cluster
def resubmit(
    run: Run, cluster: Cluster, reinstall: Reinstall = False, yes: Yes = False, watch: Watch = False,
    json: AsJson = False,
) -> None:  # fmt: skip
    """Start a new run with all that an old one was asked for."""
    old = old_run(cluster.backend(), run)
    _again(old, cluster, [], reinstall=reinstall, yes=yes, watch=watch, as_json=json)


def _again(
    old: OldRun, cluster: Cluster, only: Sequence[str], *, reinstall: bool, yes: bool, watch: bool, as_json: bool
) -> None:
    backend = cluster.backend()
    given = parameters_for(old, only=list(only), reinstall=reinstall)
    plan = plan_of(backend, given, old.name) if "table" in given else None
    if plan is not None:
        tell_unknown(plan)
        confirm(plan, yes=yes)
    name = rerun(backend, old, given, plan)["metadata"]["name"]
    print(f"in the place of {old.name}:", file=sys.stderr)
    tell_started(name, namespace=cluster.namespace, as_json=as_json, watched=watch)
    if watch:
        hosts = [host.name for host in plan.hosts] if plan else []
        raise typer.Exit(follow(backend, name, hosts=hosts, as_json=as_json))
