"""The folder of a run: one folder for each workflow, in it one for each attempt of each step.

workflow.json              the Workflow as Argo would show it, whole at any time
<node>/log                 what the step wrote on stderr
<node>/stdout              what it wrote on stdout
<node>/inputs.json         its input parameters
<node>/outputs.json        its outputs, phase and message
<node>/times.json          when it started and ended
"""

import json
import re
from pathlib import Path
from typing import Any

from workflows.backends.local.nodes import Node, timestamp

LONGEST_NAME = 100  # file systems stop at 255 bytes; people stop earlier


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def of_workflow(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def of_node(self, workflow: str, node: Node) -> Path:
        """A new, empty folder for one attempt, named so that a person finds it."""
        name = re.sub(r"[^\w.-]+", "-", node.name.removeprefix(workflow)).strip("-.") or "main"
        if len(name) > LONGEST_NAME:
            name = name[:LONGEST_NAME] + "-" + node.id.rsplit("-", 1)[-1]
        folder = self.of_workflow(workflow) / name
        folder.mkdir()
        return folder

    def write_workflow(self, workflow: dict[str, Any]) -> None:
        write_json(self.of_workflow(workflow["metadata"]["name"]) / "workflow.json", workflow)

    def write_end(self, folder: Path, node: Node) -> None:
        shown = node.to_dict()
        write_json(folder / "outputs.json", {key: shown.get(key, "") for key in ("phase", "message", "outputs")})
        times = {"startedAt": timestamp(node.started_at), "finishedAt": timestamp(node.finished_at)}
        write_json(folder / "times.json", times | {"seconds": round(node.finished_at - node.started_at, 3)})


def write_json(path: Path, value: Any) -> None:
    """Whoever reads the file sees the old text or the new, never a part."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    new.replace(path)
