"""The conformance cases on the local engine."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cases import CASES, Case
from workflows.backends import local


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    workflow = local.run(
        case.build(case.name).to_dict(),
        templates={},
        folder=tmp_path / "run",
        secrets=tmp_path / "secrets",
        on_event=lambda _event: None,
        environment={"PATH": os.environ["PATH"]},
    ).root
    assert differences(case, workflow) == []


def differences(case: Case, workflow: dict[str, Any]) -> list[str]:
    """Where a Workflow, from whichever engine, is not as the case says."""
    nodes: dict[str, dict[str, Any]] = {node["displayName"]: node for node in workflow["status"]["nodes"].values()}
    seen = [("phase", "", case.phase, workflow["status"]["phase"])]
    seen += [("phase", name, phase, nodes.get(name, {}).get("phase")) for name, phase in case.phases.items()]
    seen += [
        ("message", name, message, nodes.get(name, {}).get("message", "").strip())
        for name, message in case.messages.items()
    ]
    for name, wanted in case.outputs.items():
        parameters = nodes.get(name, {}).get("outputs", {}).get("parameters", [])
        seen.append(("outputs", name, str(wanted), str({each["name"]: each["value"] for each in parameters})))
    found = [
        f"{what} of {name or 'the workflow'}: {got!r}, not {want!r}" for what, name, want, got in seen if want != got
    ]
    return found + [f"there is a node {name}" for name in case.absent if name in nodes]


def test_a_difference_is_found(tmp_path: Path) -> None:
    case = Case("x", CASES[0].build, "Succeeded", phases={"a": "Failed"}, absent=("b",))
    workflow = {"status": {"phase": "Failed", "nodes": {"1": {"displayName": "b", "phase": "Failed"}}}}
    assert differences(case, workflow) == [
        "phase of the workflow: 'Failed', not 'Succeeded'",
        "phase of a: None, not 'Failed'",
        "there is a node b",
    ]
