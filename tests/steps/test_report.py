"""The step `report` writes its three files, also when the table or the workflows are odd."""

import json
from pathlib import Path
from typing import Any

import pytest

from steps.clients import engine
from steps.install.report import Input, report
from tests.unit.domain.outcomes import RUN, failed_at_mount, verified


class Children:
    """An engine that has seen these workflows."""

    def __init__(self, workflows: list[dict[str, Any]]) -> None:
        self.workflows = workflows

    def create(self, manifest: dict[str, Any]) -> None:
        raise AssertionError("a report starts nothing")

    def list(self, run: str) -> list[dict[str, Any]]:
        assert run == RUN
        return self.workflows

    def stop(self, name: str) -> None:
        raise AssertionError("a report stops nothing")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runs" / RUN
    monkeypatch.setenv("HERASPHERE_RUN_STORE", str(folder))
    children = Children([verified("esx01"), failed_at_mount("esx02")])
    monkeypatch.setattr(engine, "connect", lambda socket: children)
    return folder


TABLE = "hosts:\n- {name: esx01}\n- {name: esx02}\n- {name: esx03}\n- {}\n- 7\n"


def phases(store: Path) -> dict[str, str]:
    return {host["name"]: host["phase"] for host in json.loads((store / "report.json").read_text())["hosts"]}


def test_three_files_and_nothing_beside_them(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = report(Input(run=RUN, status="Failed", failures="null", table=TABLE))
    assert output.verdict == "1 of 3 hosts verified"
    assert sorted(path.name for path in store.iterdir()) == ["junit.xml", "report.html", "report.json"]
    assert phases(store) == {"esx01": "Succeeded", "esx02": "Failed", "esx03": "not started"}
    (line,) = capsys.readouterr().err.splitlines()
    assert str(store / "report.html") in json.loads(line)["text"]


def test_only_the_hosts_that_were_asked_for_are_missed(store: Path) -> None:
    report(Input(run=RUN, status="Failed", table=TABLE, only=["esx01", "esx02"]))
    assert set(phases(store)) == {"esx01", "esx02"}


@pytest.mark.parametrize("table", ["", "hosts: [", "hosts: 7", "- a", "a: b", "\x00"])
def test_a_broken_table_breaks_no_report(store: Path, table: str) -> None:
    report(Input(run=RUN, status="Error", failures="?", table=table, only=["esx09"]))
    assert {"esx01", "esx02"} <= set(phases(store))


def test_a_second_time_replaces_the_first(store: Path) -> None:
    for status in ("Failed", "Error"):
        report(Input(run=RUN, status=status, table=TABLE))
    assert json.loads((store / "report.json").read_text())["status"] == "Error"
