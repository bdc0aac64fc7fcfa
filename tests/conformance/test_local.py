"""The conformance cases on the local engine."""

from pathlib import Path

import pytest

from tests.conformance.case import Case, Expected, differences, unlike
from tests.conformance.cases import CASES
from tests.conformance.on_local import run_here


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, tmp_path: Path) -> None:
    run = run_here(case, tmp_path)
    assert differences(case, run.root) == []
    assert [child["metadata"]["name"] for child in run.children] == ([case.child_name] if case.child else [])
    if case.child:
        assert differences(case.child, run.children[0]) == []


def test_a_display_name_of_two_nodes_is_nobodys() -> None:
    nodes = {name: {"name": name, "displayName": "[0]", "phase": "Failed"} for name in ("w[0]", "w.onExit[0]")}
    workflow = {"status": {"phase": "Failed", "nodes": nodes}}
    assert differences(Expected(phase="Failed", phases={"w[0]": "Failed"}), workflow) == []
    assert len(differences(Expected(phase="Failed", phases={"[0]": "Failed"}), workflow)) == 1


def test_every_difference_is_found() -> None:
    expected = Expected(
        phase="Succeeded",
        message="",
        phases={"a": "Failed", "b": "Failed"},
        messages={"b": "why"},
        outputs={"b": {"x": "1"}},
        names={"w[0].b": "b", "w.c": "c"},
        absent=("b",),
    )
    node = {"name": "w[0].b", "displayName": "b", "phase": "Failed", "message": "why \n"}
    workflow = {"metadata": {"name": "w"}, "status": {"phase": "Failed", "message": "no", "nodes": {"1": node}}}
    assert differences(expected, workflow) == [
        "phase of the workflow: 'Failed', not 'Succeeded'",
        "message of the workflow: 'no', not ''",
        "phase of a: None, not 'Failed'",
        "outputs of b: '{}', not \"{'x': '1'}\"",
        "display name of w.c: None, not 'c'",
        "there is a node b",
    ]


def test_nodes_that_are_not_alike_are_found() -> None:
    def workflow(**node: object) -> dict[str, object]:
        return {"status": {"nodes": {"1": {"name": "w", "id": "w", "displayName": "w", "phase": "Failed"} | node}}}

    assert unlike(workflow(message="why\n", children=["b", "a"]), workflow(message="why", children=["a", "b"])) == []
    assert len(unlike(workflow(), workflow(phase="Error"))) == 1
    assert len(unlike(workflow(children=["a"]), workflow())) == 1
    assert len(unlike(workflow(), workflow(name="x"))) == 2
