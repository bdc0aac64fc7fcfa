"""Run small workflows by the local engine, and look at what became of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hera.workflows import Workflow, WorkflowTemplate

from workflows.backends import local
from workflows.backends.events import Event


@dataclass
class Site:
    """A folder for a run, and what was told of it."""

    path: Path
    events: list[Event] = field(default_factory=list)
    listeners: list[Callable[[Event], None]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.path / "run"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def notes(self) -> Path:
        return self.path / "notes"

    def lines(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def tell(self, event: Event) -> None:
        self.events.append(event)
        for listener in self.listeners:
            listener(event)

    def run(
        self, workflow: Workflow | dict[str, Any], *templates: WorkflowTemplate, max_pods: int = 64
    ) -> local.LocalRun:
        manifest = workflow if isinstance(workflow, dict) else workflow.to_dict()
        return local.run(
            manifest,
            templates={str(template.name): template.to_dict() for template in templates},
            folder=self.folder,
            secrets=self.secrets,
            on_event=self.tell,
            max_pods=max_pods,
            environment={"PATH": os.environ["PATH"], "HOME": str(self.path)},
        )


def node(workflow: dict[str, Any], display_name: str) -> dict[str, Any]:
    """The node of this display name, of which there is one."""
    found = [each for each in workflow["status"]["nodes"].values() if each["displayName"] == display_name]
    assert len(found) == 1, (display_name, sorted(n["displayName"] for n in workflow["status"]["nodes"].values()))
    return dict(found[0])


def phases(workflow: dict[str, Any]) -> dict[str, str]:
    return {each["displayName"]: each["phase"] for each in workflow["status"]["nodes"].values()}


def outputs(node: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in node.get("outputs", {}).get("parameters", [])}


def step(
    function: Any, called: str = "", /, *, when: str = "", with_items: Any = None, with_param: Any = None, **given: Any
) -> Any:
    """Call a step or task inside a Workflow: Argo's arguments, which no type checker knows, and how it is to be run."""
    options = {"name": called, "when": when, "with_items": with_items, "with_param": with_param}
    return function(arguments=given, **{key: value for key, value in options.items() if value})
