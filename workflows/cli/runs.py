"""`hera list`, `watch`, `stop`, `approve`: runs on the cluster."""

import json as json_format
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from steps.domain.errors import Refused
from workflows.backends.argo.runs import child_of, has_ended, lines_of
from workflows.cli.following import follow
from workflows.cli.options import AsJson, Cluster, takes_cluster
from workflows.cli.tables import columns

Run = Annotated[str, typer.Argument(metavar="RUN", help="its name, as `hera submit` and `hera list` print it")]
Host = Annotated[str, typer.Option("--host", metavar="HOST", help="this host alone")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("list")(list_runs)
    for command in (watch, stop, approve):
        app.command()(command)


@takes_cluster
def list_runs(cluster: Cluster, json: AsJson = False) -> None:
    """List the runs there are on the cluster, the newest first."""
    lines = lines_of(cluster.backend().overview())
    if json:
        print(json_format.dumps([asdict(line) for line in lines], indent=2))
        return
    rows = [(line.name, line.phase, line.started, line.hosts_text, line.schedule) for line in lines]
    print(columns([("RUN", "PHASE", "STARTED", "HOSTS", "SCHEDULE"), *rows]))


@takes_cluster
def watch(run: Run, cluster: Cluster, json: AsJson = False) -> None:
    """Show a run until it has ended. Ctrl-C leaves, and the run goes on."""
    raise typer.Exit(follow(cluster.backend(), run, as_json=json))


@takes_cluster
def stop(run: Run, cluster: Cluster, host: Host = "") -> None:
    """Stop a run, or one host of it. What it has mounted is ejected; `hera watch` shows that."""
    backend = cluster.backend()
    workflow = child_of(backend, run, host) if host else backend.get(run)
    name = workflow["metadata"]["name"]
    if has_ended(workflow):
        print(f"{name} has ended already: {workflow['status']['phase']}", file=sys.stderr)
        return
    backend.stop(name)
    print(f"{name} is being stopped; it cleans up, `hera watch {run}` shows it", file=sys.stderr)


@takes_cluster
def approve(run: Run, cluster: Cluster) -> None:
    """Let a run go on that waits for approval of its plan."""
    backend = cluster.backend()
    workflow = backend.get(run)
    nodes = (workflow.get("status", {}).get("nodes") or {}).values()
    waits = any(node.get("type") == "Suspend" and node.get("phase") == "Running" for node in nodes)
    if not waits and not workflow.get("spec", {}).get("suspend"):
        hint = f"`hera watch {run}` shows how far it is; `hera submit --approve` makes a run wait"
        raise Refused("it does not wait for approval", where=run, hint=hint)
    backend.resume(workflow)
    print(f"{run} goes on", file=sys.stderr)
