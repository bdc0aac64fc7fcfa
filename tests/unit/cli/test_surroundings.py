"""Commands where they are not welcome: closed streams, folders that cannot be made, options that mean nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.hera import ROOT, command, environment, hera

TABLE = "config/hosts.example.yaml"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code_and_mix_no_output(tmp_path: Path, closed: str) -> None:
    words = " ".join(command("validate", "-f", "no-such-file"))
    done = subprocess.run(
        ["sh", "-c", f"{words} {closed}"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == "" or done.stdout.startswith("no-such-file:0:0: cannot be read")


def test_a_closed_stderr_does_not_turn_talk_into_data(tmp_path: Path) -> None:
    words = " ".join(command("doctor"))
    shell = ["sh", "-c", f"{words} 2>&-"]
    done = subprocess.run(shell, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.stdout and not any(line.endswith("no fault") for line in done.stdout.splitlines())


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    words = " ".join(command("render", "install-host"))
    shell = ["sh", "-c", f"{words} > /dev/full"]
    done = subprocess.run(shell, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left" in done.stderr and "hint" in done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = hera(tmp_path, "render", "--all", "-o", tmp_path / "file" / "below")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "no files can be made there" in said.err
