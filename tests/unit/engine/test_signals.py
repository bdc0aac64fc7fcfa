"""Real signals to a real process that runs the engine."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steps.domain.errors import Unavailable
from tests.unit.engine.running import Site, node
from tests.unit.engine.waiting import AT_MOST_S, is_alive, until
from workflows.backends.local.forked import Order
from workflows.backends.local.pods import Ended, Halt, run_process

STOPPED = ["Failed", "Stopped with strategy 'Stop'"]
TERMINATED = ["Failed", "Stopped with strategy 'Terminate'"]
ROOT = Path(__file__).parents[3]


@contextmanager
def _engine(site: Site, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program in a session of its own, both children in their long step."""
    site.secrets.rmdir()
    command = [sys.executable, "-m", "tests.unit.engine.interrupted", str(site.path), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            until(lambda: {"begin a", "begin b"} <= set(site.lines()), "both children are in their long step")
            yield process
        finally:
            process.kill()


def _workers(site: Site) -> list[int]:
    """Every process whose folder lies in the run folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(site.folder):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_for_the_whole_group_stops_everything_and_exit_handlers_run(site: Site, number: int) -> None:
    """As a terminal sends Ctrl-C, and a service manager SIGTERM: the processes that fork and report get it too."""
    with _engine(site) as process:
        os.killpg(process.pid, number)
        told, _ = process.communicate(timeout=AT_MOST_S)

    assert process.returncode == 0
    assert json.loads(told) == [STOPPED, STOPPED, STOPPED]
    lines = site.lines()
    assert sorted(lines[2:6]) == ["bye a", "bye b", "end a", "end b"]
    assert lines[6:] == ["parent ends Failed"]
    for name in ("run-a", "run-b"):  # told to end by the engine, and seen to: 75, as in a pod
        ended = node(json.loads((site.folder / name / "workflow.json").read_text()), "wait-for-file")
        assert ended["outputs"]["exitCode"] == "75"
    assert _workers(site) == []


def test_a_second_ctrl_c_ends_the_exit_handlers_too(site: Site) -> None:
    with _engine(site, "/nonexistent") as process:
        os.killpg(process.pid, signal.SIGINT)
        until(lambda: site.lines().count("exit handler waits") == 2, "both exit handlers are under way")
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        told, _ = process.communicate(timeout=AT_MOST_S)

    assert json.loads(told) == [TERMINATED, TERMINATED, TERMINATED]
    assert "end a" not in site.lines()
    assert "parent ends Failed" not in site.lines()
    assert _workers(site) == []


def test_a_step_that_is_stopped_before_it_has_begun_ends_as_one_that_is_stopped_later(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('[{"name": "name", "value": "ana"}]')
    order = Order("tests.unit.engine.example_steps:greet", tmp_path, {"PATH": os.environ["PATH"]})

    async def run() -> Ended:
        halt = Halt()
        halt.ask(running="", waiting="", retried="", suspended="", shutdown=True)
        return await run_process(order, modules=[], on_line=lambda _line: None, halt=halt, kill=Halt())

    assert asyncio.run(run()).exit_code == Unavailable.exit_code


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_no_step_outlives_an_engine_that_was_killed(site: Site) -> None:
    with _engine(site) as process:
        workers = _workers(site)
        assert len(workers) == 3
        process.kill()
        process.wait()
        until(lambda: not any(is_alive(pid) for pid in workers), "the steps are gone")
