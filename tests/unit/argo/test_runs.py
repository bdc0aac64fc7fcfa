"""`hera list`, `watch`, `stop`, `approve`; and following a run through every way in which a connection ends."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.argo.desk import Desk
from tests.unit.argo.manifests import CHILD, RUN, START, node, workflow
from workflows.backends.argo import logs, watching
from workflows.backends.argo.changes import pod_of
from workflows.cli.options import Cluster

RUNS = node("install", begin=10)
POD = pod_of(RUNS, CHILD)
DONE = node("install", "Succeeded", begin=10, end=60, code=0)
ROOT = workflow("Running", name=RUN)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr(logs, "AGAIN_AFTER_S", 0.01)


def line(after_s: float, kind: str = "progress", **fields: Any) -> str:
    at = START + after_s
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return f"{stamp} " + json.dumps({"t": at, "kind": kind, **fields})


class Followed:
    """A run that is being watched in a thread: its events so far, and waiting for one of them."""

    def __init__(self, desk: Desk) -> None:
        from workflows.backends.argo.follow import Following

        self.following = Following(Cluster().backend(), RUN)
        self.events: list[str] = []
        self.error: Exception | None = None
        self.news = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            for event in self.following.events():
                with self.news:
                    text = f"'{event.text}'" if event.text else ""
                    self.events.append(" ".join(filter(None, (event.host, event.kind, event.template, text))))
                    self.news.notify_all()
        except Exception as error:
            self.error = error
        with self.news:
            self.news.notify_all()

    def sees(self, *texts: str) -> None:
        """Wait until each of these is part of some event."""

        def seen() -> bool:
            return self.error is not None or all(any(text in event for event in self.events) for text in texts)

        with self.news:
            assert self.news.wait_for(seen, timeout=30), self.events
            assert self.error is None, self.error

    def ends(self) -> list[str]:
        self.thread.join(timeout=30)
        assert not self.thread.is_alive()
        return self.events


@contextmanager
def followed(desk: Desk) -> Iterator[Followed]:
    made = Followed(desk)
    yield made
    made.ends()


def finish(desk: Desk) -> None:
    desk.fake.write(POD, end=True)
    desk.fake.put("workflows", workflow("Succeeded", DONE))
    desk.fake.put("workflows", workflow("Succeeded", name=RUN))


def test_a_run_from_start_to_end_with_its_logs(desk: Desk) -> None:
    desk.fake.put("workflows", ROOT)
    with followed(desk) as run:
        run.sees("workflow-started")
        desk.fake.put("workflows", workflow("Pending", message="Waiting for lock"))
        run.sees("esx01 workflow-waiting 'Waiting for lock'")
        desk.fake.write(POD, line(11, percent=20, text="loading"))
        desk.fake.put("workflows", workflow("Running", RUNS))
        run.sees("esx01 progress install 'loading'")
        desk.fake.write(POD, line(12, percent=90, text="nearly"), "2023-11-14T22:13:33Z Traceback")
        run.sees("'nearly'", "esx01 log install 'Traceback'")
        finish(desk)
    assert run.error is None
    assert run.events[-3:] == ["esx01 node-finished install", "esx01 workflow-finished", "workflow-finished"]
    assert len(run.events) == len(set(run.events)), "nothing is told twice"


@pytest.mark.parametrize(
    "break_it", [lambda desk: desk.fake.cut_off(), lambda desk: desk.fake.forget()], ids=["cut", "expired"]
)
def test_a_lost_connection_loses_and_repeats_nothing(desk: Desk, break_it: Callable[[Desk], None]) -> None:
    desk.fake.put("workflows", ROOT)
    desk.fake.put("workflows", workflow("Running", RUNS))
    desk.fake.write(POD, line(11, percent=20, text="loading"))
    with followed(desk) as run:
        run.sees("'loading'")
        break_it(desk)
        desk.fake.write(POD, line(11.5, percent=40, text="half"))
        run.sees("'half'")
        desk.fake.write(POD, end=True)
        desk.fake.put("workflows", workflow("Running", DONE, node("verify", begin=70)))
        run.sees("node-started verify")
        break_it(desk)
        finish(desk)
    assert run.error is None
    told = [event for event in run.events if "progress" in event]
    assert told == ["esx01 progress install 'loading'", "esx01 progress install 'half'"]
    assert run.events.count("workflow-started") == 1


def test_an_api_server_that_is_away_for_a_while_is_told_once(desk: Desk) -> None:
    desk.fake.put("workflows", ROOT)
    with followed(desk) as run:
        run.sees("workflow-started")
        desk.fake.refuse["GET", "workflows"] = 503
        desk.fake.cut_off()
        run.sees("connection lost")
        del desk.fake.refuse["GET", "workflows"]
        desk.fake.put("workflows", workflow("Succeeded", name=RUN))
    assert run.error is None
    assert sum("connection lost" in event for event in run.events) == 1


def test_a_pod_that_is_deleted_and_made_again_goes_on(desk: Desk) -> None:
    desk.fake.put("workflows", ROOT)
    desk.fake.put("workflows", workflow("Running", RUNS))
    desk.fake.write(POD, line(11, percent=20, text="first"))
    with followed(desk) as run:
        run.sees("'first'")
        with desk.fake.changed:
            del desk.fake.logs[POD]
        desk.fake.cut_off()
        desk.fake.write(POD, line(30, percent=30, text="second"))
        run.sees("'second'")
        finish(desk)
    assert [event for event in run.events if "progress" in event] == [
        "esx01 progress install 'first'", "esx01 progress install 'second'",
    ]  # fmt: skip


def test_without_the_right_to_read_logs_it_is_said_once_and_faults_come_from_the_nodes(desk: Desk) -> None:
    desk.fake.refuse["GET", "pods"] = 403
    desk.fake.put("workflows", ROOT)
    desk.fake.put("workflows", workflow("Running", RUNS, node("other")))
    failed = node("install", "Failed", begin=10, end=60, code=13, message="main: Error (exit code 13): stalled")
    with followed(desk) as run:
        run.sees("logs cannot be read")
        desk.fake.put("workflows", workflow("Failed", failed))
        desk.fake.put("workflows", workflow("Failed", name=RUN))
    assert sum("logs cannot be read" in event for event in run.events) == 1
    assert "esx01 fault install 'stalled'" in run.events


def test_a_deleted_run_is_an_error(desk: Desk) -> None:
    desk.fake.put("workflows", ROOT)
    with followed(desk) as run:
        run.sees("workflow-started")
        desk.fake.delete("workflows", RUN)
    assert "was deleted" in str(run.error)


def test_watch_of_an_ended_run_tells_how_it_went(desk: Desk) -> None:
    desk.fake.put("workflows", workflow("Succeeded", name=RUN))
    desk.fake.put("workflows", workflow("Succeeded", DONE))
    said = desk.hera("watch", RUN)
    assert (said.code, said.out) == (0, "")
    assert "esx01  verified" in said.err and f"{RUN}: done" in said.err
    kinds = [json.loads(each)["kind"] for each in desk.hera("watch", RUN, "--json").out.splitlines()]
    assert kinds.count("workflow-finished") == 2 and kinds[-1] == "workflow-finished"


def failed_by(step: str, code: int) -> dict[str, Any]:
    return node(step, "Failed", end=5, code=code, message=f"main: Error (exit code {code}): no")


@pytest.mark.parametrize(
    ("root", "children", "code"),
    [
        (workflow("Failed", failed_by("plan-hosts", 2), name=RUN), [], 2),
        (workflow("Failed", failed_by("plan-hosts", 3), name=RUN), [], 3),
        (workflow("Failed", name=RUN), [workflow("Failed", failed_by("check-identity", 3))], 3),
        (workflow("Failed", name=RUN), [workflow("Failed", failed_by("install", 13))], 1),
        (workflow("Failed", name=RUN), [workflow("")], 1),
    ],
    ids=["table", "plan refused", "host refused", "host failed", "host without a status"],
)
def test_the_exit_code_says_how_it_ended(
    desk: Desk, root: dict[str, Any], children: list[dict[str, Any]], code: int
) -> None:
    for each in (root, *children):
        desk.fake.put("workflows", each)
    assert desk.hera("watch", RUN).code == code


def test_watch_of_no_run(desk: Desk) -> None:
    said = desk.hera("watch", "install-hosts-xxxxx")
    assert said.code == 2 and "hera list" in said.err


def test_list_shows_runs_with_their_hosts_the_newest_first(desk: Desk) -> None:
    def put(name: str, phase: str, hour: int, **labels: str) -> None:
        made = workflow(phase, name=name)
        made["metadata"]["labels"] = {"workflows.argoproj.io/phase": phase} | labels
        desk.fake.put(
            "workflows", made | {"metadata": made["metadata"] | {"creationTimestamp": f"2026-11-23T0{hour}:00:00Z"}}
        )

    put("old", "Succeeded", 1, **{"herasphere/run": "old"})
    put("new", "Running", 3, **{"herasphere/run": "new", "workflows.argoproj.io/cron-workflow": "nightly"})
    for number, phase in enumerate(["Succeeded", "Failed", "Running"]):
        put(f"new-{number}", phase, 4, **{"herasphere/run": "new", "herasphere/host": f"esx0{number}"})
    rows = [each.split() for each in desk.hera("list").out.splitlines()[1:]]
    assert rows == [
        ["new", "Running", "2026-11-23T03:00:00Z", "2", "of", "3", "ended,", "1", "failed", "nightly"],
        ["old", "Succeeded", "2026-11-23T01:00:00Z"],
    ]
    assert [each["name"] for each in json.loads(desk.hera("list", "--json").out)] == ["new", "old"]


def test_stop_asks_argo_to_stop_so_that_the_clean_up_runs(desk: Desk) -> None:
    desk.fake.put("workflows", ROOT)
    desk.fake.put("workflows", workflow())
    assert desk.hera("stop", RUN, "--host", "esx01").code == 0
    assert desk.fake.get("workflows", CHILD)["spec"]["shutdown"] == "Stop"
    assert "shutdown" not in desk.fake.get("workflows", RUN)["spec"]
    assert desk.hera("stop", RUN).code == 0
    assert desk.fake.get("workflows", RUN)["spec"]["shutdown"] == "Stop"


def test_stop_of_what_is_over_or_not_there(desk: Desk) -> None:
    desk.fake.put("workflows", workflow("Succeeded", name=RUN))
    said = desk.hera("stop", RUN)
    assert said.code == 0 and "ended already" in said.err
    assert "shutdown" not in desk.fake.get("workflows", RUN)["spec"]
    desk.fake.put("workflows", workflow())
    said = desk.hera("stop", RUN, "--host", "esx02")
    assert said.code == 2 and "did you mean esx01?" in said.err


def test_approve_lets_a_suspended_run_go_on(desk: Desk) -> None:
    suspended = node("approve", display="approve", type="Suspend")
    desk.fake.put("workflows", workflow("Running", suspended, RUNS, name=RUN))
    assert desk.hera("approve", RUN).code == 0
    nodes = desk.fake.get("workflows", RUN)["status"]["nodes"]
    assert nodes[suspended["id"]]["phase"] == "Succeeded" and nodes[suspended["id"]]["finishedAt"]
    assert nodes[RUNS["id"]]["phase"] == "Running"
    said = desk.hera("approve", RUN)
    assert said.code == 3 and "does not wait for approval" in said.err
