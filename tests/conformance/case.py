"""What a conformance case is: a small workflow, and what becomes of it on Argo and on the local engine alike.

Phases, messages and outputs are given by the nodes' display names, or where two have the same, by their full names.
Nodes that are not named may be as they are. Each expectation was seen on Argo 4.0.2.
Messages are compared without blanks at their ends: Argo keeps the newline of a termination message.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hera.workflows import Workflow, WorkflowTemplate

Manifest = dict[str, Any]

STOPPED_POD = "workflow shutdown with strategy:  Stop"  # both blanks are Argo's
LEFT_ON_SIGTERM = "main: Error (exit code 75): stopped from outside"  # of steps.runtime


@dataclass(frozen=True, kw_only=True)
class Expected:
    """How a workflow ends.

    phase, message:   its own
    phases, messages: of its nodes
    outputs:          of its nodes: all parameters
    names:            full names of nodes, and their display names
    absent:           display names of which there is no node
    """

    phase: str
    message: str | None = None
    phases: Mapping[str, str] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case(Expected):
    """A workflow of this name, and how it ends.

    templates: WorkflowTemplates that it, or a child of it, refers to
    secrets:   Secrets that are there: by name, key and value
    stop_when: display name of a node; when it runs, the workflow is stopped
    child:     how the workflow ends that one of its steps creates, which is named after it with "-child" at the end
    """

    name: str
    build: Callable[[str], Workflow | Manifest]
    templates: tuple[WorkflowTemplate, ...] = ()
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stop_when: str = ""
    child: Expected | None = None

    @property
    def child_name(self) -> str:
        return f"{self.name}-child"

    def manifest(self) -> Manifest:
        built = self.build(self.name)
        return built if isinstance(built, dict) else dict(built.to_dict())


def case(**expected: Any) -> Callable[[Callable[[str], Workflow | Manifest]], Case]:
    """Make a function that builds a workflow of a given name the case of its own name."""

    def made(build: Callable[[str], Workflow | Manifest]) -> Case:
        return Case(name=build.__name__.replace("_", "-"), build=build, **expected)

    return made


def step(function: Any, called: str = "", /, **given: Any) -> Any:
    """Call a step inside a Workflow; when, with_items and with_param are Hera's, the others the step's arguments."""
    own = {key: given.pop(key) for key in ("when", "with_items", "with_param") if key in given}
    return function(arguments=given, **({"name": called} if called else {}), **own)


def differences(expected: Expected, workflow: Manifest) -> list[str]:
    """Where a Workflow, from whichever engine, is not as expected."""
    status, nodes = workflow.get("status", {}), _by_name(nodes_of(workflow))
    displays = {name: node["displayName"] for name, node in nodes.items()}
    seen = [("phase", "", expected.phase, status.get("phase"))]
    if expected.message is not None:
        seen.append(("message", "", expected.message, status.get("message", "").strip()))
    seen += [("phase", name, phase, nodes.get(name, {}).get("phase")) for name, phase in expected.phases.items()]
    seen += [("message", name, message, _said(nodes.get(name, {}))) for name, message in expected.messages.items()]
    seen += [("outputs", name, str(dict(wanted)), _outputs(nodes, name)) for name, wanted in expected.outputs.items()]
    seen += [("display name", name, display, displays.get(name)) for name, display in expected.names.items()]
    found = [
        f"{what} of {name or 'the workflow'}: {got!r}, not {want!r}" for what, name, want, got in seen if want != got
    ]
    return found + [f"there is a node {name}" for name in expected.absent if name in nodes]


def unlike(argo: Manifest, here: Manifest) -> list[str]:
    """Where the nodes of a Workflow of the same name are not the same on both engines: ids, types, phases, links.

    Left out is what may differ from run to run: inputs, outputs and moments.
    """
    there, ours = ({node["name"]: _shape(node) for node in nodes_of(workflow)} for workflow in (argo, here))
    return [
        f"{name}: {there.get(name)} on Argo, {ours.get(name)} here"
        for name in sorted(there.keys() | ours.keys())
        if there.get(name) != ours.get(name)
    ]


def _shape(node: Manifest) -> Manifest:
    same = ("id", "displayName", "type", "phase", "templateName", "boundaryID")
    shape = {key: node.get(key, "") for key in same} | {"message": _said(node)}
    return shape | {"children": sorted(node.get("children", [])), "nodeFlag": node.get("nodeFlag") or {}}


def _said(node: Manifest) -> str:
    """A node's message. Of a pod that is stopped Argo says either, depending on which end it happens to see first."""
    message = str(node.get("message", "")).strip()
    return STOPPED_POD if message == LEFT_ON_SIGTERM else message


def nodes_of(workflow: Manifest) -> list[Manifest]:
    return list(workflow.get("status", {}).get("nodes", {}).values())


def runs(display_name: str, workflow: Manifest | None) -> bool:
    """Whether this node of a Workflow is running."""
    nodes = nodes_of(workflow) if workflow else []
    return any(node["displayName"] == display_name and node.get("phase") == "Running" for node in nodes)


def _by_name(nodes: list[Manifest]) -> dict[str, Manifest]:
    """Nodes by their full names, and by display names that only one has."""
    shown = Counter(node["displayName"] for node in nodes)
    by_display = {node["displayName"]: node for node in nodes if shown[node["displayName"]] == 1}
    return by_display | {node["name"]: node for node in nodes}


def _outputs(nodes: dict[str, Manifest], name: str) -> str:
    parameters = nodes.get(name, {}).get("outputs", {}).get("parameters", [])
    return str({each["name"]: each["value"] for each in parameters if "value" in each})
