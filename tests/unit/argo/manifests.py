"""Workflow objects as Argo leaves them, told in few words."""

from datetime import UTC, datetime
from typing import Any

START = 1_700_000_000
RUN = "install-hosts-ab1cd"
CHILD = f"{RUN}-esx01"


def moment(after_s: float) -> str:
    return datetime.fromtimestamp(START + after_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(
    step: str, phase: str = "Running", *, begin: float = 0, end: float | None = None, **more: Any
) -> dict[str, Any]:
    """The pod of a step's first attempt. code: its exit code; outputs: its output parameters."""
    code, outputs = more.pop("code", None), more.pop("outputs", {})
    display = more.pop("display", f"{step}(0)")
    made = {
        "id": f"{CHILD}-{abs(hash(display)) % 10**9}",
        "name": f"{CHILD}[0].{display}",
        "displayName": display,
        "templateName": step,
        "type": "Pod",
        "phase": phase,
        "startedAt": moment(begin),
    }
    if end is not None:
        made["finishedAt"] = moment(end)
    values: dict[str, Any] = {"parameters": [{"name": name, "value": value} for name, value in outputs.items()]}
    if code is not None:
        values["exitCode"] = str(code)
    return made | {"outputs": values} | more


def workflow(phase: str = "Running", *nodes: dict[str, Any], name: str = CHILD, **more: Any) -> dict[str, Any]:
    """A Workflow; of a host unless it has the run's own name."""
    labels = {"herasphere/run": RUN} | ({"herasphere/host": name.removeprefix(f"{RUN}-")} if name != RUN else {})
    status: dict[str, Any] = {"phase": phase, "message": more.pop("message", "")}
    if phase not in ("", "Pending"):
        status["startedAt"] = moment(0)
    if phase in ("Succeeded", "Failed", "Error"):
        status["finishedAt"] = moment(more.pop("end", 100))
    if nodes:
        status["nodes"] = {each["id"]: each for each in nodes}
    metadata = {"name": name, "labels": labels, "uid": f"uid-of-{name}"} | more.pop("metadata", {})
    return {"kind": "Workflow", "metadata": metadata, "spec": more.pop("spec", {}), "status": status}
