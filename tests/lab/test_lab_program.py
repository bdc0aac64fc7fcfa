"""The stand-in's program by itself: Go's own tests, go vet and gofmt."""

import shutil
import subprocess

import pytest

from tests.lab.build import SOURCES

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("go") is None, reason="the stand-in's program needs Go"),
]


@pytest.mark.parametrize("command", ["go vet .", "go test .", "go mod verify", "gofmt -l ."])
def test_program(command: str) -> None:
    done = subprocess.run(command.split(), cwd=SOURCES / "standin", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if command.startswith("gofmt"):
        assert done.stdout == ""
