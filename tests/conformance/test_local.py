"""The conformance cases on the local engine."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.case import Case, Expected, differences, runs
from tests.conformance.cases import CASES
from workflows.backends import local

LOOK_EVERY_S = 0.05


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, tmp_path: Path) -> None:
    for name, keys in case.secrets.items():
        (tmp_path / "secrets" / name).mkdir(parents=True)
        for key, value in keys.items():
            (tmp_path / "secrets" / name / key).write_text(value)
    with stopping(case, tmp_path / "run" / case.name / "workflow.json"):
        run = local.run(
            case.manifest(),
            templates={str(template.name): template.to_dict() for template in case.templates},
            folder=tmp_path / "run",
            secrets=tmp_path / "secrets",
            on_event=lambda _event: None,
            environment={"PATH": os.environ["PATH"]},
        )
    assert differences(case, run.root) == []
    assert [child["metadata"]["name"] for child in run.children] == ([case.child_name] if case.child else [])
    if case.child:
        assert differences(case.child, run.children[0]) == []


@contextmanager
def stopping(case: Case, status: Path) -> Iterator[None]:
    """Stop the engine, as a service manager does, when the node is seen to run; it is never stopped too late."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            if status.exists() and runs(case.stop_when, json.loads(status.read_text())):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch)
    if case.stop_when:
        watcher.start()
    try:
        yield
    finally:
        over.set()
        if case.stop_when:
            watcher.join()


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
