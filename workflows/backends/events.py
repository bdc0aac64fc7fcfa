"""What happens in a run, as the terminal view and `--json` show it: the same events from every backend."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from steps.domain.children import HOST_LABEL, RUN_LABEL

Kind = Literal[
    "workflow-waiting",  # phase Pending, text: what it waits for
    "workflow-started",
    "workflow-stopping",  # shutdown was asked for; text: Stop or Terminate
    "workflow-finished",  # phase, text
    "node-started",  # a pod runs
    "node-finished",  # a pod ended or a step was skipped: phase, text, exit_code
    "progress",  # percent, text: the evidence
    "say",  # text
    "fault",  # text, hint, exit_code: why the step fails
    "log",  # text: a line of the step's stderr that is no event
]
KINDS_OF_A_STEP = frozenset({"progress", "say", "fault"})


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    at:       seconds since 1970
    workflow: name of the Workflow; run and host: its labels herasphere/run and herasphere/host, empty without them
    node:     display name of the node, with its attempt where it is retried ("mount-iso(1)"); empty: the workflow's own
    template: the node's template; empty: the workflow's own
    """

    at: float
    kind: Kind
    workflow: str
    run: str = ""
    host: str = ""
    node: str = ""
    template: str = ""
    phase: str = ""
    percent: int | None = None
    text: str = ""
    hint: str = ""
    exit_code: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Without the fields that say nothing."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}


def labels_of(manifest: dict[str, Any]) -> tuple[str, str]:
    """Run and host that a Workflow is labelled with."""
    labels = manifest.get("metadata", {}).get("labels") or {}
    return str(labels.get(RUN_LABEL, "")), str(labels.get(HOST_LABEL, ""))


def event_of_line(line: dict[str, Any], *, workflow: str, run: str, host: str, node: str, template: str) -> Event:
    """The event in one JSON line of a step's stderr (see steps/runtime.py), wherever the line was read."""
    kind, percent, code, at = (line.get(key) for key in ("kind", "percent", "exit_code", "t"))
    return Event(
        at=float(at) if isinstance(at, int | float) else 0.0,
        kind=kind if kind in KINDS_OF_A_STEP else "say",
        workflow=workflow,
        run=run,
        host=host or str(line.get("host", "")),
        node=node,
        template=template,
        percent=percent if isinstance(percent, int) else None,
        text=str(line.get("text", "")),
        hint=str(line.get("hint", "")),
        exit_code=code if isinstance(code, int) else None,
    )
