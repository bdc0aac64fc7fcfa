"""Status and logs told as one story: in order, without doubles, and whole when one of the two is missing."""

from typing import Any

from tests.unit.argo.manifests import CHILD, RUN, START, node, workflow
from workflows.backends.argo.podlog import Pod
from workflows.backends.argo.telling import LOG_LAGS_S, Telling
from workflows.backends.events import Event

NOW = START + 500.0
FAULT = "main: Error (exit code 13): esx01, BMC 10.0.0.11: no answer (hint: look at the cable)"
RUNS = node("install", begin=10)
DONE = node("install", "Succeeded", begin=10, end=60, code=0, outputs={"evidence": "read to the end"})
FAILED = node("install", "Failed", begin=10, end=60, code=13, message=FAULT)
VERIFY = node("verify", begin=61)


class Story:
    """What was told so far, each event as its kind and node, and the pods that are followed."""

    def __init__(self, *, follows: bool = True) -> None:
        self.pods: list[Pod] = []
        self.events: list[Event] = []
        self.follows = follows
        self.telling = Telling(CHILD, self.follow)
        self.telling.all_seen = True

    def follow(self, pod: Pod) -> bool:
        self.pods.append(pod)
        return self.follows

    def look(self, manifest: dict[str, Any], now: float = NOW) -> "Story":
        self.telling.look(manifest, now)
        self.events += self.telling.due(now)
        return self

    def line(self, kind: str, *, of: int = 0, **fields: Any) -> "Story":
        pod = self.pods[of]
        about = {"workflow": pod.workflow, "host": pod.host, "node": pod.node, "template": pod.template}
        self.events += self.telling.line(pod, Event(at=NOW, kind=kind, **about | fields))  # type: ignore[arg-type]
        return self

    def log_ended(self) -> "Story":
        self.telling.log_ended(self.pods[0])
        self.events += self.telling.due(NOW)
        return self

    @property
    def told(self) -> list[str]:
        return [f"{event.kind} {event.node}".strip() for event in self.events]


def test_a_steps_end_waits_for_its_log() -> None:
    story = Story().look(workflow("Running", RUNS)).look(workflow("Running", DONE, VERIFY))
    assert story.told == ["workflow-started", "node-started install(0)"]
    story.line("progress", percent=100, text="all").log_ended()
    assert story.told[2:] == ["progress install(0)", "node-finished install(0)", "node-started verify(0)"]


def test_but_not_for_ever() -> None:
    story = Story().look(workflow("Running", RUNS)).look(workflow("Failed", FAILED))
    story.events += story.telling.due(NOW + LOG_LAGS_S - 0.1)
    assert "node-finished install(0)" not in story.told
    story.events += story.telling.due(NOW + LOG_LAGS_S)
    assert story.told[-2:] == ["node-finished install(0)", "workflow-finished"]


def test_a_later_steps_first_line_waits_for_nothing_and_comes_after_its_start() -> None:
    story = Story().look(workflow("Running", RUNS)).look(workflow("Running", DONE, VERIFY))
    story.line("progress", of=1, percent=10, text="looking")
    assert story.told[2:] == [
        "progress install(0)", "node-finished install(0)", "node-started verify(0)", "progress verify(0)",
    ]  # fmt: skip


def test_a_fault_of_the_log_is_not_told_again() -> None:
    story = Story().look(workflow("Running", RUNS)).line("fault", text="no answer").look(workflow("Failed", FAILED))
    assert story.log_ended().told.count("fault install(0)") == 1


def test_a_fault_that_the_log_did_not_tell_is_taken_from_the_node() -> None:
    story = Story().look(workflow("Running", RUNS)).look(workflow("Failed", FAILED)).log_ended()
    [fault] = [event for event in story.events if event.kind == "fault"]
    assert (fault.text, fault.hint, fault.exit_code) == ("no answer", "look at the cable", 13)
    assert (fault.host, fault.template, fault.node) == ("esx01", "install", "install(0)")


def test_a_stopped_step_has_no_fault() -> None:
    stopped = node("install", "Failed", begin=10, end=60, message="workflow shutdown with strategy:  Stop")
    story = Story().look(workflow("Running", RUNS)).look(workflow("Failed", stopped)).log_ended()
    assert "fault install(0)" not in story.told


def test_a_deleted_pod_is_a_fault() -> None:
    gone = node("install", "Error", begin=10, end=60, message="pod deleted")
    story = Story().look(workflow("Running", RUNS)).look(workflow("Running", gone)).log_ended()
    assert [event.text for event in story.events if event.kind == "fault"] == ["pod deleted"]


def test_evidence_is_told_once() -> None:
    story = Story().look(workflow("Running", RUNS)).line("progress", percent=100, text="read to the end")
    assert story.look(workflow("Running", DONE)).log_ended().told.count("progress install(0)") == 1


def test_evidence_without_a_log_is_taken_from_the_node() -> None:
    story = Story(follows=False).look(workflow("Running", RUNS)).look(workflow("Running", DONE))
    assert [(e.percent, e.text) for e in story.events if e.kind == "progress"] == [(100, "read to the end")]


def test_argos_slow_progress_never_goes_back_behind_the_log() -> None:
    story = Story().look(workflow("Running", RUNS)).line("progress", percent=40, text="loading")
    story.look(workflow("Running", RUNS | {"progress": "30/100"}))
    story.look(workflow("Running", RUNS | {"progress": "60/100"}))
    assert [event.percent for event in story.events if event.kind == "progress"] == [40, 60]


def test_pods_that_ended_before_the_first_look_are_known_to_have() -> None:
    story = Story(follows=False).look(workflow("Running", DONE, VERIFY))
    assert [(pod.template, pod.ended) for pod in story.pods] == [("install", True), ("verify", False)]
    assert story.told == [
        "workflow-started", "node-started install(0)", "progress install(0)", "node-finished install(0)",
        "node-started verify(0)",
    ]  # fmt: skip


def test_workflows_do_not_wait_for_each_others_logs() -> None:
    story = Story().look(workflow("Running", RUNS)).look(workflow("Running", DONE))
    other = workflow("Succeeded", name="install-hosts-ab1cd-esx02")
    assert story.look(other).told[-1] == "workflow-finished"


def test_an_older_look_of_another_watch_is_passed_over() -> None:
    story = Story(follows=False).look(workflow("Succeeded", DONE, metadata={"resourceVersion": "20"}))
    told = list(story.told)
    assert story.look(workflow("Running", RUNS, metadata={"resourceVersion": "9"})).told == told


def test_a_run_has_ended_when_all_is_told() -> None:
    story = Story().look(workflow("Running", RUNS))
    assert not story.telling.is_over
    story.look(workflow("Succeeded", DONE))
    assert not story.telling.is_over
    assert story.log_ended().telling.is_over


def test_the_runs_own_end_is_the_last_word() -> None:
    story = Story()
    story.telling.run = RUN
    story.telling.all_seen = False
    story.look(workflow("Running", RUNS)).look(workflow("Succeeded", name=RUN))
    assert "workflow-finished" not in story.told
    story.telling.all_seen = True
    assert "workflow-finished" not in story.look(workflow("Succeeded", DONE)).told
    assert story.log_ended().told[-2:] == ["workflow-finished", "workflow-finished"]
    assert [event.workflow for event in story.events][-2:] == [CHILD, RUN]
