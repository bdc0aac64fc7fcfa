"""From two looks at a Workflow to what happened between them, in the same events as the local engine's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from steps.domain.outcome import mapping, text, time
from workflows.backends.argo.backend import Manifest
from workflows.backends.events import Event, Kind, labels_of

UNDER_WAY = ("", "Pending")
FINISHED = ("Succeeded", "Failed", "Error")
FULFILLED = (*FINISHED, "Skipped", "Omitted")
LEAVES = ("Pod", "Skipped", "Suspend")  # the others only group these
POD_COMES = ("", "PodInitializing", "ContainerCreating")  # what every pod says before it runs
LONGEST_PREFIX = 242  # so that with the number it stays below the 253 characters of a name


@dataclass(frozen=True)
class Told:
    """An event, and the pod whose own log tells more of the same step; empty where there is none."""

    event: Event
    pod: str = ""


def changes(before: Mapping[str, Any] | None, after: Manifest, *, now: float) -> list[Told]:
    """What happened from one look to the next; before: None for the first look. now: seconds since 1970.

    Whatever was missed in between is made up for; the same look twice tells nothing.
    """
    earlier, blank = mapping(before), _blank(after)
    nodes = sorted(_of_nodes(earlier, after, blank, now), key=lambda told: told.event.at)
    begin, end = _of_workflow(earlier, after, blank, now)
    return [*begin, *nodes, *end]


def _blank(workflow: Manifest) -> Event:
    run, host = labels_of(workflow)
    name = text(mapping(workflow.get("metadata")).get("name"))
    return Event(at=0.0, kind="workflow-started", workflow=name, run=run, host=host)


def _of_workflow(before: Mapping[str, Any], after: Manifest, blank: Event, now: float) -> tuple[list[Told], list[Told]]:
    """What is told before its nodes' events, and what after them."""
    status, old = mapping(after.get("status")), mapping(before.get("status"))
    phase, message = text(status.get("phase")), text(status.get("message"))
    was, shutdown = text(old.get("phase")), text(mapping(after.get("spec")).get("shutdown"))
    begin: list[Told] = []
    if phase in UNDER_WAY and message and message != text(old.get("message")):
        begin.append(_told(blank, "workflow-waiting", now, phase=phase, text=message))
    ran_unseen = phase in FINISHED and was in UNDER_WAY and bool(status.get("nodes"))
    if (phase == "Running" and was != "Running") or ran_unseen:
        begin.append(_told(blank, "workflow-started", _at(status.get("startedAt"), now), phase="Running"))
    if shutdown and shutdown != text(mapping(before.get("spec")).get("shutdown")):
        begin.append(_told(blank, "workflow-stopping", now, phase=phase, text=shutdown))
    if phase in FINISHED and was not in FINISHED:
        at = _at(status.get("finishedAt"), now)
        return begin, [_told(blank, "workflow-finished", at, phase=phase, text=message)]
    return begin, []


def _of_nodes(before: Mapping[str, Any], after: Manifest, blank: Event, now: float) -> Iterator[Told]:
    old = mapping(mapping(before.get("status")).get("nodes"))
    for key, node in mapping(mapping(after.get("status")).get("nodes")).items():
        if mapping(node).get("type") in LEAVES:
            yield from _of_node(mapping(old.get(key)), mapping(node), blank, now)


def _of_node(before: Mapping[str, Any], node: Mapping[str, Any], blank: Event, now: float) -> Iterator[Told]:
    phase, was = text(node.get("phase")), text(before.get("phase"))
    template, message = text(node.get("templateName")), text(node.get("message")).strip()
    pod = pod_of(node, blank.workflow) if node.get("type") == "Pod" else ""
    about: dict[str, Any] = {"node": text(node.get("displayName")), "template": template, "phase": phase}
    is_news = message != text(before.get("message")).strip()

    def told(kind: Kind, at: float, **more: Any) -> Told:
        return _told(blank, kind, at, pod=pod, **about | more)

    if node.get("type") == "Suspend" and phase == "Running" and was != "Running":
        approve = f"waits for approval (hera approve {blank.workflow})"
        yield told("workflow-waiting", _at(node.get("startedAt"), now), text=message or approve)
    elif phase == "Pending" and message not in POD_COMES and is_news:
        yield told("workflow-waiting", now, text=f"{template}: {message}")
    elif pod and was != "Running" and (phase == "Running" or (_has_run(node) and was not in FULFILLED)):
        yield told("node-started", _at(node.get("startedAt"), now), phase="Running")
    if phase == "Running" and (percent := _percent(node)) and percent != _percent(before):
        yield told("progress", now, percent=percent)
    if phase in FULFILLED and was not in FULFILLED:
        at = _at(node.get("finishedAt"), now)
        if phase == "Succeeded" and (evidence := _output(node, "evidence")):
            yield told("progress", at, percent=100, text=evidence)
        yield told("node-finished", at, text=message, exit_code=_exit_code(node))


def pod_of(node: Mapping[str, Any], workflow: str) -> str:
    """The name Argo gives to a node's pod: that of its id, with the template in the middle."""
    name, template = text(node.get("id")), text(node.get("templateName"))
    number = name.rpartition("-")[2]
    return name if name == workflow else f"{workflow}-{template}"[:LONGEST_PREFIX] + f"-{number}"


def _told(blank: Event, kind: Kind, at: float, *, pod: str = "", **fields: Any) -> Told:
    values = {"workflow": blank.workflow, "run": blank.run, "host": blank.host} | fields
    return Told(Event(at=at, kind=kind, **values), pod)


def _at(value: Any, now: float) -> float:
    """Argo's moments are whole seconds."""
    moment = time(value)
    return moment.timestamp() if moment else now


def _has_run(node: Mapping[str, Any]) -> bool:
    """Whether a fulfilled node's pod was on a machine; one that was stopped while it waited was not."""
    return text(node.get("phase")) in FULFILLED and bool(node.get("hostNodeName") or _exit_code(node) is not None)


def _percent(node: Mapping[str, Any]) -> int | None:
    """From what the step wrote into its progress file, which Argo looks at once a minute; "0/1" is Argo's own."""
    done, _, whole = text(node.get("progress")).partition("/")
    if not done.isdigit() or not whole.isdigit() or int(whole) <= 1:
        return None
    return min(100, 100 * int(done) // int(whole))


def _exit_code(node: Mapping[str, Any]) -> int | None:
    code = text(mapping(node.get("outputs")).get("exitCode"))
    return int(code) if code.isdigit() else None


def _output(node: Mapping[str, Any], name: str) -> str:
    parameters = mapping(node.get("outputs")).get("parameters")
    for each in parameters if isinstance(parameters, list) else []:
        if mapping(each).get("name") == name:
            return text(mapping(each).get("value"))
    return ""
