"""A run's report: every host of the table with what became of it, and what failed of the run itself."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from steps.domain.host import Frozen
from steps.domain.outcome import (
    Failure,
    HostOutcome,
    HostPhase,
    failure_of,
    is_empty_talk,
    mapping,
    outcome_of,
    template_of,
    text,
    time,
)

FORMAT = 1  # of report.json; counts up when a reader of the old one would go wrong
ROLLOUT = "rollout"
FILES = ("report.html", "report.json", "junit.xml")  # for people, for programs, for CI servers


class Report(Frozen):
    """What is known at a run's end.

    status:   of the run, in Argo's words: Succeeded, Failed or Error
    started:  when the first host began; finished: when the last thing that is known here ended
    hosts:    in the table's order
    failures: of the run itself (its plan, say); those of hosts are with the hosts
    """

    run: str
    herasphere_version: str
    status: str
    started: datetime | None
    finished: datetime | None
    hosts: tuple[HostOutcome, ...]
    failures: tuple[Failure, ...]

    def hosts_in(self, *phases: HostPhase) -> tuple[HostOutcome, ...]:
        return tuple(host for host in self.hosts if host.phase in phases)

    @property
    def duration_s(self) -> float | None:
        return (self.finished - self.started).total_seconds() if self.started and self.finished else None


def report_of(
    workflows: Iterable[Mapping[str, Any]],
    *,
    run: str,
    version: str,
    status: str,
    failures: str = "",
    expected: Sequence[str] = (),
) -> Report:
    """The report of a run from its hosts' Workflows.

    expected: names of the hosts the run is about, in the table's order; those without a workflow were not started
    failures: what Argo gives for {{workflow.failures}}
    """
    order = {name: place for place, name in enumerate(dict.fromkeys(text(name) for name in expected))}
    seen = [outcome_of(workflow) for workflow in workflows]
    missing = [HostOutcome(name=name, phase="not started") for name in order.keys() - {host.name for host in seen}]
    hosts = tuple(sorted([*seen, *missing], key=lambda host: (order.get(host.name, len(order)), host.name)))
    failed = _failed_nodes(failures)
    ends = [time(node.get("finishedAt")) for node in failed]
    ends += [moment for host in hosts for moment in (host.finished, *(stage.finished for stage in host.stages))]
    hosts_tell = any(host.phase not in ("Succeeded", "not started") for host in hosts)
    return Report(
        run=text(run),
        herasphere_version=text(version),
        status=text(status),
        started=min((host.started for host in hosts if host.started), default=None),
        finished=max((moment for moment in ends if moment), default=None),
        hosts=hosts,
        failures=() if status == "Succeeded" else _run_failures(failed, text(run), hosts_tell),
    )


def to_json(report: Report) -> str:
    """The report for programs: the model, its format's number, and the counts."""
    summary = {
        "hosts": len(report.hosts),
        "verified": len(report.hosts_in("Succeeded")),
        "failed": len(report.hosts_in("Failed", "Error")),
        "stopped": len(report.hosts_in("Stopped")),
        "running": len(report.hosts_in("Running")),
        "not_started": len(report.hosts_in("not started")),
        "duration_s": report.duration_s,
    }
    whole = {"format": FORMAT, "summary": summary, **report.model_dump(mode="json")}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _failed_nodes(failures: str) -> list[Mapping[str, Any]]:
    """Argo gives a JSON list, within a JSON string; `null` when nothing failed."""
    value: Any = failures
    for _ in range(2):
        try:
            value = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            return []
    return [mapping(node) for node in value] if isinstance(value, list) else []


def _run_failures(nodes: list[Mapping[str, Any]], run: str, hosts_tell: bool) -> tuple[Failure, ...]:
    """One failure for each template: its last attempt's, without those that only repeat what is told elsewhere."""
    last: dict[str, Mapping[str, Any]] = {}
    for node in sorted(nodes, key=lambda node: text(node.get("finishedAt"))):
        if not is_empty_talk(text(node.get("message"))):
            last[template_of(node)] = node
    made = [failure_of(name, text(node.get("message")), run) for name, node in last.items()]
    # exit code 1 of the rollout: some hosts failed, and each of them says so itself
    return tuple(f for f in made if not (hosts_tell and f.stage == ROLLOUT and f.exit_code == 1))
