"""The media service that `hera run` starts lives exactly as long as some run uses it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steps.domain.wait import wait_until
from tests.e2e.hera import ROOT, environment
from workflows.backends.media_process import running_in

RUN = """
import sys
from pathlib import Path
from workflows.backends.media_process import media_service
with media_service(Path(sys.argv[1]), address="127.0.0.1", port=0, log=Path(sys.argv[1]) / "log") as at:
    print(at.control_url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def run(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that uses the service until its stdin is closed."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", RUN, str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0


def gone(folder: Path) -> bool | None:
    return True if running_in(folder) is None else None


def test_the_service_outlives_the_run_that_started_it_while_another_uses_it(tmp_path: Path) -> None:
    with run(tmp_path / "media") as first, run(tmp_path / "media") as second:  # both at once: one of them starts it
        url = url_of(first)
        assert url_of(second) == url
        end(first)
        at = running_in(tmp_path / "media")
        assert at is not None and at.control_url == url.strip()
        end(second)
    wait_until(lambda: gone(tmp_path / "media"), what="the end", where="service", hint="-", timeout_s=20, every_s=0.1)


def test_the_service_ends_with_a_run_that_was_killed(tmp_path: Path) -> None:
    with run(tmp_path / "media") as process:
        assert url_of(process)
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: gone(tmp_path / "media"), what="the end", where="service", hint="-", timeout_s=20, every_s=0.1)
