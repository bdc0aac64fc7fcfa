"""Runs on the cluster as they stand: which there are, how far they are, and a part of one by its host's name."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steps.domain.children import HOST_LABEL, RUN_LABEL
from steps.domain.errors import NotFound
from steps.domain.model_faults import did_you_mean
from steps.domain.outcome import mapping, text
from workflows.backends.argo.backend import Manifest, Workflows
from workflows.backends.argo.changes import FINISHED
from workflows.backends.argo.follow import children_of

PHASE_LABEL = "workflows.argoproj.io/phase"
CRON_LABEL = "workflows.argoproj.io/cron-workflow"


@dataclass(frozen=True)
class RunLine:
    """One run in a list. started: RFC 3339; hosts: how many hosts' workflows are in each phase."""

    name: str
    phase: str
    started: str
    schedule: str
    hosts: Mapping[str, int]

    @property
    def hosts_text(self) -> str:
        done, failed = self.hosts.get("Succeeded", 0), self.hosts.get("Failed", 0) + self.hosts.get("Error", 0)
        if not self.hosts:
            return ""
        return f"{done + failed} of {sum(self.hosts.values())} ended" + (f", {failed} failed" if failed else "")


def lines_of(overview: Iterable[Manifest]) -> list[RunLine]:
    """Every run among these Workflows' metadata, the newest first; hosts' workflows are counted with their run."""
    runs: list[Mapping[str, Any]] = []
    hosts: dict[str, Counter[str]] = {}
    for each in overview:
        metadata = mapping(each.get("metadata"))
        labels = mapping(metadata.get("labels"))
        if HOST_LABEL in labels:
            hosts.setdefault(text(labels.get(RUN_LABEL)), Counter())[text(labels.get(PHASE_LABEL)) or "Pending"] += 1
        else:
            runs.append(metadata)
    runs.sort(key=lambda metadata: text(metadata.get("creationTimestamp")), reverse=True)
    return [_line(metadata, hosts) for metadata in runs]


def _line(metadata: Mapping[str, Any], hosts: Mapping[str, Mapping[str, int]]) -> RunLine:
    labels, name = mapping(metadata.get("labels")), text(metadata.get("name"))
    return RunLine(
        name=name,
        phase=text(labels.get(PHASE_LABEL)) or "Pending",
        started=text(metadata.get("creationTimestamp")),
        schedule=text(labels.get(CRON_LABEL)),
        hosts=dict(hosts.get(name, {})),
    )


def host_of(workflow: Manifest) -> str:
    """The host whose workflow this is; empty for a run's own."""
    return text(mapping(workflow["metadata"].get("labels")).get(HOST_LABEL))


def has_ended(workflow: Manifest) -> bool:
    return mapping(workflow.get("status")).get("phase") in FINISHED


def never_began(workflow: Manifest) -> bool:
    """Stopped while it waited for its mutex: Argo keeps it Pending until the lock is free, then only cleans up."""
    status, spec = mapping(workflow.get("status")), mapping(workflow.get("spec"))
    return status.get("phase", "") in ("", "Pending") and not status.get("nodes") and bool(spec.get("shutdown"))


def child_of(workflows: Workflows, run: str, host: str) -> Manifest:
    """The workflow of one host of a run; NotFound with the names there are."""
    children = workflows.listing(children_of(run)).items
    for child in children:
        if host_of(child) == host:
            return child
    names = sorted(host_of(child) for child in children)
    hint = did_you_mean(host, names) if names else "it has started no host so far, or it is no run of hosts"
    raise NotFound(f"there is no host {host!r} in it", where=run, hint=hint)
