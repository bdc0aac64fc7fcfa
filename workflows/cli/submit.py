"""`hera submit`: a workflow on the cluster."""

import json as json_format
import sys
from typing import Annotated

import typer

from workflows.backends.argo.submit import submit as submit_order
from workflows.cli.following import follow
from workflows.cli.image_plan import Building
from workflows.cli.options import AsJson, Cluster, Files, Limit, Only, Reinstall, Yes, taking
from workflows.cli.order import Approve, Asked, Parameters, order_of

WorkflowName = Annotated[
    str, typer.Argument(metavar="WORKFLOW", help="a deployed workflow template: install-hosts, build-image, …")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="show the run until it has ended")]


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(submit)


@taking(cluster=Cluster, building=Building)
def submit(
    workflow: WorkflowName,
    cluster: Cluster,
    building: Building,
    file: Files = None,
    parameter: Parameters = None,
    only: Only = None,
    reinstall: Reinstall = False,
    limit: Limit = 0,
    yes: Yes = False,
    approve: Approve = False,
    watch: Watch = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="have the server check it, and start nothing")] = False,
    json: AsJson = False,
) -> None:
    """Start a workflow on the cluster. The plan is shown and confirmed first; the run's name goes to stdout."""
    backend = cluster.backend()
    asked = Asked(workflow, file or (), parameter or (), only or (), reinstall, limit, approve, building)
    ordered = order_of(backend, asked, yes=yes, asks=not dry_run)
    created = submit_order(backend, ordered.order, dry_run=dry_run)
    name = created["metadata"]["name"]
    if dry_run:
        print(f"{workflow}: the server would take it; nothing was started", file=sys.stderr)
        return
    tell_started(name, namespace=cluster.namespace, as_json=json, watched=watch)
    if watch:
        raise typer.Exit(follow(backend, name, hosts=ordered.hosts, image=ordered.image, as_json=json))


def tell_started(name: str, *, namespace: str, as_json: bool, watched: bool) -> None:
    """The run's name as data, unless its events will be that; and what to do with it."""
    if as_json and not watched:
        print(json_format.dumps({"run": name, "namespace": namespace}))
    elif not as_json:
        print(name, flush=True)
    if not watched:
        print(f"started; `hera watch {name}` shows it, `hera stop {name}` ends it", file=sys.stderr)
