"""From two looks at a Workflow to events: everything once, nothing twice, whatever was missed in between."""

from typing import Any

import pytest

from tests.unit.argo.manifests import CHILD, START, node, workflow
from workflows.backends.argo.changes import changes, pod_of

NOW = START + 500.0
RUNS = node("install", begin=10)
DONE = node("install", "Succeeded", begin=10, end=60, code=0, outputs={"evidence": "read to the end"})
FAILED = node("install", "Failed", begin=10, end=60, code=13, message="main: Error (exit code 13): esx01: stalled")
PULL = "ErrImageNeverPull: Container image is not present"
STOPPED = "workflow shutdown with strategy:  Stop"


def told(before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    """Each event as `kind node phase`, without what is empty."""
    events = [each.event for each in changes(before, after, now=NOW)]
    return [" ".join(filter(None, (e.kind, e.node, e.phase, e.text and f"'{e.text}'"))) for e in events]


CASES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], list[str]]] = {
    "nothing yet": (None, workflow(""), []),
    "pending without a word": (None, workflow("Pending"), []),
    "waits for its mutex": (
        None, workflow("Pending", message="Waiting for lock"), ["workflow-waiting Pending 'Waiting for lock'"],
    ),
    "waits for another reason now": (
        workflow("Pending", message="a"), workflow("Pending", message="b"), ["workflow-waiting Pending 'b'"],
    ),
    "still waits": (workflow("Pending", message="a"), workflow("Pending", message="a"), []),
    "has the lock": (workflow("Pending", message="a"), workflow("Running"), ["workflow-started Running"]),
    "starts": (None, workflow("Running"), ["workflow-started Running"]),
    "runs on": (workflow("Running"), workflow("Running"), []),
    "a pod waits": (workflow(), workflow("Running", node("install", "Pending")), []),
    "a pod is being made": (
        workflow(), workflow("Running", node("install", "Pending", message="PodInitializing")), [],
    ),
    "a pod can't be made": (
        workflow(), workflow("Running", node("install", "Pending", message=PULL)),
        [f"workflow-waiting install(0) Pending 'install: {PULL}'"],
    ),
    "a pod still can't be made": (
        workflow("Running", node("install", "Pending", message=PULL)),
        workflow("Running", node("install", "Pending", message=PULL)), [],
    ),
    "a pod runs": (workflow(), workflow("Running", RUNS), ["node-started install(0) Running"]),
    "a pod runs after it waited": (
        workflow("Running", node("install", "Pending")), workflow("Running", RUNS), ["node-started install(0) Running"],
    ),
    "a pod runs on": (workflow("Running", RUNS), workflow("Running", RUNS), []),
    "a step is done": (
        workflow("Running", RUNS), workflow("Running", DONE),
        ["progress install(0) Succeeded 'read to the end'", "node-finished install(0) Succeeded"],
    ),
    "a step that nobody saw running": (
        workflow(), workflow("Running", DONE),
        [
            "node-started install(0) Running", "progress install(0) Succeeded 'read to the end'",
            "node-finished install(0) Succeeded",
        ],
    ),
    "a done step stays done": (workflow("Running", DONE), workflow("Running", DONE), []),
    "a step failed": (
        workflow("Running", RUNS), workflow("Running", FAILED),
        ["node-finished install(0) Failed 'main: Error (exit code 13): esx01: stalled'"],
    ),
    "a pod was deleted": (
        workflow("Running", RUNS),
        workflow("Running", node("install", "Error", begin=10, end=60, message="pod deleted")),
        ["node-finished install(0) Error 'pod deleted'"],
    ),
    "tried again": (
        workflow("Running", FAILED), workflow("Running", FAILED, node("install", display="install(1)", begin=70)),
        ["node-started install(1) Running"],
    ),
    "stopped while it waited for its pod": (
        workflow(), workflow("Running", node("install", "Failed", end=60, message=STOPPED)),
        [f"node-finished install(0) Failed '{STOPPED}'"],
    ),
    "left out": (
        workflow(),
        workflow("Running", node("approve", "Skipped", display="approve", end=1, type="Skipped", message="when")),
        ["node-finished approve Skipped 'when'"],
    ),
    "groups tell nothing": (
        workflow(),
        workflow("Running", *(node("x", display=kind, type=kind) for kind in ("Steps", "StepGroup", "Retry"))), [],
    ),
    "waits for approval": (
        workflow(), workflow("Running", node("approve", display="approve", type="Suspend")),
        [f"workflow-waiting approve Running 'waits for approval (hera approve {CHILD})'"],
    ),
    "approved": (
        workflow("Running", node("approve", display="approve", type="Suspend")),
        workflow("Running", node("approve", "Succeeded", display="approve", type="Suspend", end=30)),
        ["node-finished approve Succeeded"],
    ),
    "progress": (
        workflow("Running", RUNS | {"progress": "0/1"}), workflow("Running", RUNS | {"progress": "40/100"}),
        ["progress install(0) Running"],
    ),
    "the same progress": (
        workflow("Running", RUNS | {"progress": "40/100"}), workflow("Running", RUNS | {"progress": "40/100"}), [],
    ),
    "Argo's own progress": (workflow("Running", RUNS), workflow("Running", RUNS | {"progress": "0/1"}), []),
    "stop was asked for": (
        workflow(), workflow("Running", spec={"shutdown": "Stop"}), ["workflow-stopping Running 'Stop'"],
    ),
    "still stopping": (
        workflow("Running", spec={"shutdown": "Stop"}), workflow("Running", spec={"shutdown": "Stop"}), [],
    ),
    "then terminate": (
        workflow("Running", spec={"shutdown": "Stop"}), workflow("Running", spec={"shutdown": "Terminate"}),
        ["workflow-stopping Running 'Terminate'"],
    ),
    "ended well": (workflow(), workflow("Succeeded"), ["workflow-finished Succeeded"]),
    "ended badly": (workflow(), workflow("Failed", message="a child"), ["workflow-finished Failed 'a child'"]),
    "ended before": (workflow("Failed"), workflow("Failed"), []),
    "a whole run at one look": (
        None, workflow("Succeeded", DONE),
        [
            "workflow-started Running", "node-started install(0) Running",
            "progress install(0) Succeeded 'read to the end'", "node-finished install(0) Succeeded",
            "workflow-finished Succeeded",
        ],
    ),
    "ended while it waited for its mutex": (
        workflow("Pending", message="a"), workflow("Failed", message="Stopped"), ["workflow-finished Failed 'Stopped'"],
    ),
    "Retry was pressed in Argo's UI": (
        workflow("Failed", FAILED), workflow("Running", node("install", "Pending")), ["workflow-started Running"],
    ),
    "and the step runs again": (
        workflow("Running", node("install", "Pending")), workflow("Running", RUNS), ["node-started install(0) Running"],
    ),
    "nodes that terminate left open": (
        workflow("Running", RUNS), workflow("Failed", RUNS, message="Stopped with strategy 'Terminate'"),
        ["workflow-finished Failed 'Stopped with strategy 'Terminate''"],
    ),
    "foreign rubbish": (
        {"metadata": None}, workflow() | {"status": {"phase": "Running", "nodes": {"a": None, "b": {"type": "Pod"}}}},
        ["workflow-started Running"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_told(case: tuple[dict[str, Any] | None, dict[str, Any], list[str]]) -> None:
    before, after, expected = case
    assert told(before, after) == expected
    assert told(after, after) == [], "the same look twice tells nothing"


def test_order_is_that_of_time_and_a_run_ends_last() -> None:
    first = node("mount-iso", "Succeeded", begin=5, end=9, code=0)
    whole = workflow("Succeeded", node("install", "Succeeded", begin=10, end=60, code=0), first)
    times = [each.event.at - START for each in changes(None, whole, now=NOW)]
    assert times == [0, 5, 9, 10, 60, 100]


def test_events_carry_their_run_host_pod_and_exit_code() -> None:
    [finished] = changes(workflow("Running", RUNS), workflow("Running", FAILED), now=NOW)
    event = finished.event
    assert (event.run, event.host, event.template, event.exit_code) == ("install-hosts-ab1cd", "esx01", "install", 13)
    assert finished.pod == f"{CHILD}-install-{RUNS['id'].rpartition('-')[2]}"


def test_a_pod_is_named_by_its_nodes_id() -> None:
    assert pod_of({"id": "run", "templateName": "only"}, "run") == "run"
    assert pod_of({"id": "run-1234", "templateName": "mount-iso"}, "run") == "run-mount-iso-1234"
    assert len(pod_of({"id": "run-1234567890", "templateName": "x" * 300}, "run")) == 253
