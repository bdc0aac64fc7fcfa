"""`hera schedule`: workflows that the cluster starts by the clock."""

import json as json_format
import sys
from typing import Annotated

import typer

from workflows.backends.argo import schedules
from workflows.backends.argo.schedules import When
from workflows.cli.following import follow
from workflows.cli.image_plan import Building
from workflows.cli.options import AsJson, Cluster, Files, Limit, Only, Reinstall, Yes, takes_cluster, taking
from workflows.cli.order import Asked, Parameters, order_of
from workflows.cli.submit import Watch, WorkflowName, tell_started
from workflows.cli.tables import columns

app = typer.Typer(help="Workflows that the cluster starts by the clock.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="of the schedule, as `hera schedule list` prints it")]


@app.command()
@taking(cluster=Cluster, building=Building)
def create(
    workflow: WorkflowName,
    cluster: Cluster,
    building: Building,
    cron: Annotated[str, typer.Option("--cron", metavar="TIME", help="'30 2 * * 1-5', or @daily, @weekly, …")],
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="of that time: Asia/Shanghai")],
    file: Files = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="of the schedule; default: the workflow's")] = "",
    suspended: Annotated[bool, typer.Option("--suspended", help="wait for `hera schedule resume`")] = False,
    parameter: Parameters = None,
    only: Only = None,
    reinstall: Reinstall = False,
    limit: Limit = 0,
    yes: Yes = False,
) -> None:
    """Have a workflow started by the clock. Its plan is confirmed now: a run whose plan has changed by then refuses."""
    backend, when, called = cluster.backend(), When(cron, timezone, suspended), name or workflow
    schedules.check(when, called, [])
    asked = Asked(workflow, file or (), parameter or (), only or (), reinstall, limit, building=building)
    ordered = order_of(backend, asked, yes=yes)
    schedules.check(when, called, ordered.hosts)
    schedules.create(backend, ordered.order, called, when)
    print(called)
    print(f"scheduled; `hera schedule trigger {called}` starts it now, `hera list` shows its runs", file=sys.stderr)


@app.command("list")
@takes_cluster
def list_schedules(cluster: Cluster, json: AsJson = False) -> None:
    """List the schedules there are."""
    found = [schedules.described(each) for each in cluster.backend().schedules()]
    if json:
        print(json_format.dumps(found, indent=2))
        return
    rows = [
        (each["name"], each["workflow"], each["cron"], each["timezone"],
         "suspended" if each["suspended"] else "active", each["last"], each["trouble"])
        for each in found
    ]  # fmt: skip
    print(columns([("NAME", "WORKFLOW", "CRON", "TIMEZONE", "STATE", "LAST", "TROUBLE"), *rows]))


@app.command()
@takes_cluster
def suspend(name: Name, cluster: Cluster) -> None:
    """Start it no more until it is resumed; a run that is under way goes on."""
    cluster.backend().suspend_schedule(name, True)
    print(f"{name} is suspended", file=sys.stderr)


@app.command()
@takes_cluster
def resume(name: Name, cluster: Cluster) -> None:
    """Start it by the clock again."""
    cluster.backend().suspend_schedule(name, False)
    print(f"{name} is active", file=sys.stderr)


@app.command()
@takes_cluster
def trigger(name: Name, cluster: Cluster, watch: Watch = False, json: AsJson = False) -> None:
    """Start it now, suspended or not."""
    backend = cluster.backend()
    run = schedules.trigger(backend, name)["metadata"]["name"]
    tell_started(run, namespace=cluster.namespace, as_json=json, watched=watch)
    if watch:
        raise typer.Exit(follow(backend, run, as_json=json))


@app.command()
@takes_cluster
def delete(name: Name, cluster: Cluster) -> None:
    """Delete it, and with it its past runs; their reports stay in the run store."""
    schedules.delete(cluster.backend(), name)
    print(f"{name} is deleted", file=sys.stderr)
