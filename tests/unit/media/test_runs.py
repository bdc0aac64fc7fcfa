"""What is kept of runs comes back whole, is found, and goes when it is old; nothing lies outside of its folder."""

from pathlib import Path

import pytest

from steps.clients.media import Media
from steps.domain.errors import NotFound, Unsupported
from steps.media.runs import Runs


def test_files_of_a_run_come_back(media: Media) -> None:
    media.put_file("run-1", "report.json", "{}")
    media.put_file("run-1", "logs/run-1-h1/mount-iso.123.jsonl", "line\n")
    media.put_file("run-1", "report.json", '{"ä": 1}')
    assert media.file("run-1", "report.json") == '{"ä": 1}'
    found = [(file.name, file.size_bytes) for file in media.files("run-1")]
    assert found == [("logs/run-1-h1/mount-iso.123.jsonl", 5), ("report.json", 9)]
    assert media.files("run-2") == []


def test_runs_are_listed_the_newest_first(media: Media) -> None:
    for run in ("b", "a", "c", "b"):
        media.put_file(run, "report.json", "")
    assert media.runs() == ["b", "c", "a"]


def test_what_is_not_kept_is_not_found(media: Media) -> None:
    with pytest.raises(NotFound, match=r"no report.html of run-1"):
        media.file("run-1", "report.html")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", ".hidden", "a/b/c/d/e", "a b", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    runs = Runs(tmp_path / "runs")
    with pytest.raises(Unsupported):
        runs.put("run-1", name, b"x")
    with pytest.raises(Unsupported):
        runs.put(f"../{name}", "report.json", b"x")
    runs.close()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and "index" not in path.name] == []


def test_old_runs_are_dropped_whole(media: Media) -> None:
    media.put_file("old", "logs/old/plan.1.jsonl", "x")
    assert media.forget_runs(older_than_s=3600) == []
    assert media.forget_runs(older_than_s=-1) == ["old"]
    assert media.runs() == [] and media.files("old") == []
    with pytest.raises(NotFound):
        media.file("old", "logs/old/plan.1.jsonl")
