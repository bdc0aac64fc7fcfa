"""`hera logs` and `hera report`: from pods that are there, from the run store for those that are not."""

import json
import threading
import time
from pathlib import Path

import pytest

from steps.clients.media import Media
from steps.clients.runstore import log_name
from tests.unit.argo.desk import Desk
from tests.unit.argo.manifests import CHILD, RUN, node, workflow
from tests.unit.argo.test_runs import line
from tests.unit.media.serving import TOKEN
from workflows.backends.argo import logs, watching
from workflows.backends.argo.changes import pod_of

MOUNTED = node("mount-iso", "Succeeded", begin=1, end=5, code=0)
INSTALLS = node("install", begin=6)
PLANNED = node("plan-hosts", "Succeeded", end=1, code=0)
ROOT = workflow("Running", PLANNED, name=RUN)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr(logs, "AGAIN_AFTER_S", 0.01)


def keep(desk: Desk, workflow_name: str, made: dict[str, object], text: str, after_s: float) -> None:
    """As a step does at its end."""
    number = str(made["id"]).rpartition("-")[2]
    kept = json.dumps({"t": 1_700_000_000 + after_s, "kind": "say", "text": text}) + "\n"
    with Media(desk.fake.media_url, TOKEN) as media:
        media.put_file(RUN, log_name(f"{workflow_name}-{number}", str(made["templateName"])), kept)


@pytest.fixture
def run(desk: Desk) -> Desk:
    """plan-hosts and mount-iso have ended and their pods are gone; install runs."""
    desk.fake.put("workflows", ROOT)
    desk.fake.put("workflows", workflow("Running", MOUNTED, INSTALLS))
    keep(desk, RUN, PLANNED, "3 hosts will be installed", 0)
    keep(desk, CHILD, MOUNTED, "mounted", 4)
    two = line(7, percent=20, text="loading"), line(8, percent=20, text="loading")
    desk.fake.write(pod_of(INSTALLS, CHILD), *two, "2023-11-14T22:13:29Z Traceback")
    return desk


def rows(text: str) -> list[list[str]]:
    return [each.split(maxsplit=3)[1:] for each in text.splitlines()]


def test_every_line_in_the_order_the_steps_began(run: Desk) -> None:
    assert rows(run.hera("logs", RUN).out) == [
        ["-", "plan-hosts", "3 hosts will be installed"],
        ["esx01", "mount-iso", "mounted"],
        ["esx01", "install", "20 % loading"],
        ["esx01", "install", "Traceback"],
    ]


def test_of_one_host_or_one_step(run: Desk) -> None:
    assert [row[1] for row in rows(run.hera("logs", RUN, "--host", "esx01").out)] == ["mount-iso", "install", "install"]
    assert [row[2] for row in rows(run.hera("logs", RUN, "--step", "mount-iso").out)] == ["mounted"]


def test_a_pod_that_is_there_tells_more_than_the_store(run: Desk) -> None:
    run.fake.write(pod_of(MOUNTED, CHILD), line(3, "say", text="mounted"), "2023-11-14T22:13:24Z a warning", end=True)
    assert [row[2] for row in rows(run.hera("logs", RUN, "--step", "mount-iso").out)] == ["mounted", "a warning"]


def test_follow_goes_on_until_the_run_has_ended_and_repeats_nothing(run: Desk) -> None:
    pod = pod_of(INSTALLS, CHILD)

    def go_on() -> None:
        """While it is followed: more lines, the pod lost and made again, a step nobody could follow, the end."""
        while not any(query.get("follow") == "true" for _, _, query, _ in list(run.fake.asked)):
            time.sleep(0.01)
        run.fake.write(pod, line(8, percent=60, text="half"))
        with run.fake.changed:
            del run.fake.logs[pod]
        run.fake.cut_off()
        run.fake.write(pod, line(20, percent=90, text="nearly"), end=True)
        verified = node("verify", "Succeeded", begin=30, end=31, code=0, outputs={"evidence": "it is this one"})
        keep(run, CHILD, verified, "all is well", 30)
        done = node("install", "Succeeded", begin=6, end=29, code=0)
        run.fake.put("workflows", workflow("Succeeded", MOUNTED, done, verified))
        run.fake.put("workflows", workflow("Succeeded", PLANNED, name=RUN))

    later = threading.Thread(target=go_on)
    later.start()
    said = run.hera("logs", "-f", RUN)
    later.join()
    assert said.code == 0
    told = [row[2] for row in rows(said.out)]
    assert told[:4] == ["3 hosts will be installed", "mounted", "20 % loading", "Traceback"]
    assert sorted(told) == sorted(set(told)), "nothing twice"
    assert "90 % nearly" in told and "all is well" in told


def test_a_run_that_the_cluster_has_forgotten_is_in_the_store(run: Desk) -> None:
    run.fake.delete("workflows", RUN)
    run.fake.delete("workflows", CHILD)
    assert sorted(rows(run.hera("logs", RUN).out)) == [
        ["-", "plan-hosts", "3 hosts will be installed"],
        ["esx01", "mount-iso", "mounted"],
    ]


def test_a_run_that_nobody_knows(desk: Desk) -> None:
    said = desk.hera("logs", "install-hosts-xxxxx")
    assert said.code == 2 and "hera list" in said.err


def test_report_is_fetched_into_a_folder(desk: Desk, tmp_path: Path) -> None:
    said = desk.hera("report", RUN, "-o", tmp_path / "out")
    assert said.code == 2 and "there is no report" in said.err
    with Media(desk.fake.media_url, TOKEN) as media:
        for name in ("report.html", "report.json", "junit.xml", "logs/x/y.1.jsonl"):
            media.put_file(RUN, name, f"text of {name}")
    said = desk.hera("report", RUN, "-o", tmp_path / "out")
    assert said.code == 0
    assert said.out.split() == [str(tmp_path / "out" / name) for name in ("report.html", "report.json", "junit.xml")]
    assert (tmp_path / "out" / "report.html").read_text() == "text of report.html"
