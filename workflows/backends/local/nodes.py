"""The nodes of a running Workflow, named, numbered and written down as Argo does."""

import re
import time
from dataclasses import dataclass, field
from typing import Any, Literal

NodeType = Literal["Pod", "Steps", "StepGroup", "DAG", "TaskGroup", "Retry", "Skipped", "Suspend"]
Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Error", "Skipped", "Omitted"]
Flag = Literal["", "retried", "hooked", "hooked retried"]
BAD = ("Failed", "Error")
FULFILLED = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")


@dataclass
class Node:
    """One node; times are seconds since 1970, 0 before they are known."""

    id: str
    name: str
    display_name: str
    type: NodeType
    template: str
    boundary: str = ""
    phase: Phase = "Pending"
    message: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    result: str | None = None
    exit_code: int | None = None
    progress: str = ""
    children: list[str] = field(default_factory=list)
    flag: Flag = ""

    @property
    def is_bad(self) -> bool:
        return self.phase in BAD

    def copy_outputs(self, other: "Node") -> None:
        self.outputs, self.result, self.exit_code = other.outputs, other.result, other.exit_code

    def to_dict(self) -> dict[str, Any]:
        """As in a Workflow's status.nodes; without what is empty."""
        outputs: dict[str, Any] = {"parameters": _parameters(self.outputs)} if self.outputs else {}
        outputs |= {} if self.result is None else {"result": self.result}
        outputs |= {} if self.exit_code is None else {"exitCode": str(self.exit_code)}
        full = {
            "id": self.id,
            "name": self.name,
            "displayName": self.display_name,
            "type": self.type,
            "templateName": self.template,
            "boundaryID": self.boundary,
            "phase": self.phase,
            "message": self.message,
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at),
            "progress": self.progress,
            "inputs": {"parameters": _parameters(self.inputs)} if self.inputs else {},
            "outputs": outputs,
            "children": list(self.children),
            "nodeFlag": dict.fromkeys(self.flag.split(), True),
        }
        return {key: value for key, value in full.items() if value}


def _parameters(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


class Nodes:
    """All nodes of one Workflow, in the order in which they came to be."""

    def __init__(self, workflow: str) -> None:
        self.workflow = workflow
        self.by_id: dict[str, Node] = {}

    def id_of(self, name: str) -> str:
        return node_id(self.workflow, name)

    def add(self, name: str, kind: NodeType, template: str, *, boundary: Node | None = None, **fields: Any) -> Node:
        """A new node below its boundary (the Steps or DAG node it belongs to); it starts now."""
        display = name
        if boundary is not None:
            display = re.sub(r"^(\[\d+\])?\.", "", name.removeprefix(boundary.name))
        node = Node(
            id=node_id(self.workflow, name),
            name=name,
            display_name=display,
            type=kind,
            template=template,
            boundary=boundary.id if boundary is not None else "",
            started_at=time.time(),
            **fields,
        )
        if node.phase in FULFILLED:
            node.finished_at = node.started_at
        self.by_id[node.id] = node
        return node

    def finish(self, node: Node, phase: Phase, message: str = "") -> Node:
        node.phase, node.message, node.finished_at = phase, message, time.time()
        return node

    def ends_of(self, node: Node) -> list[Node]:
        """The last nodes below a node, to which what comes next is linked."""
        if node.type == "Retry" and node.children:
            return [self.by_id[node.children[-1]]]
        below = [self.by_id[child] for child in node.children if child in self.by_id]
        if node.type == "Steps":
            below = [n for n in self.by_id.values() if n.boundary == node.id and n.type == "StepGroup"][-1:]
        elif node.type == "DAG":
            below = [n for n in self.by_id.values() if n.boundary == node.id and not n.children]
        elif node.type not in ("StepGroup", "TaskGroup"):
            return [node]
        return [end for each in below for end in self.ends_of(each)] or [node]

    def failures(self) -> list[dict[str, str]]:
        """What {{workflow.failures}} tells."""
        return [
            {
                "displayName": node.display_name,
                "message": node.message,
                "templateName": node.template,
                "phase": node.phase,
                "podName": pod_name(self.workflow, node.name, node.template),
                "finishedAt": timestamp(node.finished_at),
            }
            for node in self.by_id.values()
            if node.is_bad
        ]


def node_id(workflow: str, name: str) -> str:
    return workflow if name == workflow else f"{workflow}-{_fnv1a_32(name)}"


def pod_name(workflow: str, name: str, template: str) -> str:
    return workflow if name == workflow else f"{workflow}-{template}-{_fnv1a_32(name)}"


def _fnv1a_32(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC; empty for 0."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else ""
