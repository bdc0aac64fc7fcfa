"""`hera logs`, `hera report`: what a run has said, and what came of it."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.errors import NotFound
from steps.domain.report import FILES
from workflows.backends.argo.follow import Following
from workflows.backends.argo.history import History
from workflows.backends.argo.podlog import Pod
from workflows.backends.events import Event
from workflows.cli.following import EXIT_LEFT
from workflows.cli.options import Cluster, made, takes_cluster
from workflows.cli.runs import Host, Run

SPOKEN = ("progress", "say", "fault", "log")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(logs)
    app.command()(report)


@takes_cluster
def logs(
    run: Run,
    cluster: Cluster,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until the run has ended")] = False,
    host: Host = "",
    step: Annotated[str, typer.Option("--step", metavar="STEP", help="this step alone: install, …")] = "",
) -> None:
    """Print what a run's steps have said: time, host, step, text. Logs of pods that are gone are in the run store."""
    backend = cluster.backend()
    history = History(backend, run)

    def is_wanted(about: Pod | Event) -> bool:
        return host in ("", about.host) and step in ("", about.template)

    pods = history.pods()
    width = max((len(pod.host) for pod in pods), default=0)
    heard = {pod.name for pod in pods if pod.ended or not follow}
    _print((event for pod in pods if pod.name in heard and is_wanted(pod) for event in history.of(pod)), width)
    if follow:
        steps = {(pod.workflow, pod.node) for pod in pods if pod.name in heard}
        events = Following(backend, run, heard=heard, missed=history.missed).events()
        _print((each for each in events if is_wanted(each) and (each.workflow, each.node) not in steps), width)


def _print(events: Iterable[Event], width: int) -> None:
    last: dict[tuple[str, str], str] = {}  # a rollout says every two seconds how many hosts are done
    try:
        for event in events:
            step, text = (event.workflow, event.node), _text(event)
            if event.kind in SPOKEN and not (event.kind == "progress" and last.get(step) == text):
                last[step] = text
                clock = time.strftime("%H:%M:%S", time.localtime(event.at))
                print(f"{clock}  {event.host or '-':{max(1, width)}}  {event.template:15}  {text}", flush=True)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_LEFT) from None


def _text(event: Event) -> str:
    if event.kind == "progress":
        return f"{event.percent} % {event.text}".rstrip()
    return f"{event.text} (hint: {event.hint})" if event.kind == "fault" else event.text


@takes_cluster
def report(
    run: Run,
    cluster: Cluster,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="folder for its files")],
) -> None:
    """Fetch a run's report: HTML for people, JSON and JUnit for programs."""
    folder = made(output)
    with cluster.backend().media() as media:
        kept = {file.name for file in media.files(run)}
        if not kept.intersection(FILES):
            hint = "it comes when the run has ended; `hera list` shows the runs"
            raise NotFound("there is no report", where=run, hint=hint)
        for name in FILES:
            if name in kept:
                (folder / name).write_text(media.file(run, name), encoding="utf-8")
                print(folder / name)
