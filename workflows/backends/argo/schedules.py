"""CronWorkflows: a workflow that is started by the clock."""

import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from steps.domain.children import RUN_LABEL
from steps.domain.errors import HerasphereError, NotFound, Refused, Unsupported
from steps.domain.model_faults import did_you_mean
from steps.domain.outcome import mapping, text
from workflows.backends.argo.backend import Backend, Manifest
from workflows.backends.argo.changes import FINISHED
from workflows.backends.argo.runs import CRON_LABEL, PHASE_LABEL
from workflows.backends.argo.submit import PART_OF, Order, desk_secret_of, give, new_name, secret_of, workflow_of

SCHEDULED_TIME = "workflows.argoproj.io/scheduled-time"
STARTED_LATE_S = 600  # a run that could not begin at its time (the controller was away) begins within this, or not
KEPT_RUNS = 5
LONGEST_LABEL = 63  # Argo gives each pod the name of its workflow as a label
MOMENT_LENGTH = 11  # what Argo appends to a schedule's name: "-" and seconds since 1970
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 6))
WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
TROUBLE = ("SpecError", "SubmissionError")


@dataclass(frozen=True)
class When:
    """The clock's part of a schedule."""

    cron: str
    timezone: str
    suspended: bool = False


def check(when: When, name: str, hosts: Iterable[str]) -> None:
    """Raise Unsupported or NotFound for a time, time zone or name with which nothing would ever run."""
    _check_cron(when.cron)
    try:
        zoneinfo.ZoneInfo(when.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = did_you_mean(when.timezone, sorted(zoneinfo.available_timezones()))
        raise NotFound(f"there is no time zone {when.timezone!r}", where="--timezone", hint=hint) from error
    room = LONGEST_LABEL - MOMENT_LENGTH - max((len(host) + 1 for host in hosts), default=0)
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) or len(name) > room:
        hint = f"--name: at most {room} lower-case letters, digits and '-': it begins the name of each host's workflow"
        raise Unsupported(f"{name!r} is no name for a schedule", where="--name", hint=hint)


def _check_cron(cron: str) -> None:
    hint = "minute, hour, day of month, month, day of week: '30 2 * * 1-5', or @daily"
    if cron in WORDS or re.fullmatch(r"@every \d+[smh]", cron):
        return
    values = cron.split()
    if len(values) != len(FIELDS):
        raise Unsupported(f"{cron!r} has {len(values)} fields, not {len(FIELDS)}", where="--cron", hint=hint)
    for value, (field, low, high) in zip(values, FIELDS, strict=True):
        for part in value.split(","):
            found = re.fullmatch(r"(?:[*?]|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
            first, last = (int(number) if number else low for number in found.groups()[:2]) if found else (-1, -1)
            if found is None or not (low <= first <= high and low <= last <= high) or (found[2] and last < first):
                raise Unsupported(f"{part!r} is no {field} ({low} to {high})", where="--cron", hint=hint)


def schedule_of(order: Order, name: str, when: When) -> Manifest:
    """The CronWorkflow for this order, under this name."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": name, "labels": dict(PART_OF)},
        "spec": {
            "schedules": [when.cron],
            "timezone": when.timezone,
            "suspend": when.suspended,
            "concurrencyPolicy": "Forbid",  # a run that lasts longer than its interval is not overtaken
            "startingDeadlineSeconds": STARTED_LATE_S,
            "successfulJobsHistoryLimit": KEPT_RUNS,
            "failedJobsHistoryLimit": KEPT_RUNS,
            "workflowMetadata": {"labels": dict(PART_OF)},
            "workflowSpec": workflow_of(order, name)["spec"],
        },
    }


def create(backend: Backend, order: Order, name: str, when: When) -> Manifest:
    """Have it started by the clock from now on. Nothing is left behind when it is refused."""
    made = schedule_of(order, name, when)
    backend.create_schedule(made, dry_run=True)
    if not order.texts:
        return backend.create_schedule(made)
    secrets = backend.secrets()
    secrets.create(secret_of(name, order.texts))
    try:
        created = backend.create_schedule(made)
    except HerasphereError:
        secrets.delete(desk_secret_of(name))
        raise
    give(secrets, desk_secret_of(name), created, first=True)
    return created


def trigger(backend: Backend, name: str) -> Manifest:
    """Start it now, as its time would; suspended or not. Returns the Workflow."""
    schedule = backend.schedule(name)
    run, spec = new_name(name), schedule["spec"]
    extra = mapping(spec.get("workflowMetadata"))
    owner = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "name": name,
        "uid": schedule["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return backend.create(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {
                "name": run,
                "labels": {**mapping(extra.get("labels")), CRON_LABEL: name, RUN_LABEL: run},
                "annotations": {**mapping(extra.get("annotations")), SCHEDULED_TIME: now},
                "ownerReferences": [owner],
            },
            "spec": spec["workflowSpec"],
        }
    )


def delete(backend: Backend, name: str) -> None:
    """Delete it, and with it the Workflows of its runs; Refused while one is under way, which would not clean up."""
    backend.schedule(name)
    under_way = []
    for each in backend.overview():
        metadata = mapping(each.get("metadata"))
        labels = mapping(metadata.get("labels"))
        if labels.get(CRON_LABEL) == name and labels.get(PHASE_LABEL) not in FINISHED:
            under_way.append(text(metadata.get("name")))
    if under_way:
        hint = (
            f"`hera schedule suspend {name}`, then `hera stop` them; deleted with their schedule they clean up nothing"
        )
        raise Refused(f"runs of it are under way: {', '.join(under_way)}", where=name, hint=hint)
    backend.delete_schedule(name)


def described(schedule: Manifest) -> dict[str, Any]:
    """What a list shows of it."""
    spec, status = mapping(schedule.get("spec")), mapping(schedule.get("status"))
    workflow = mapping(spec.get("workflowSpec"))
    conditions = [mapping(each) for each in status.get("conditions") or []]
    trouble = [text(each.get("message")) for each in conditions if each.get("type") in TROUBLE]
    return {
        "name": text(mapping(schedule.get("metadata")).get("name")),
        "workflow": text(mapping(workflow.get("workflowTemplateRef")).get("name")),
        "cron": ", ".join(text(each) for each in spec.get("schedules") or [spec.get("schedule")] if each),
        "timezone": text(spec.get("timezone")),
        "suspended": bool(spec.get("suspend")),
        "last": text(status.get("lastScheduledTime")),
        "trouble": "; ".join(each for each in trouble if each),
    }
