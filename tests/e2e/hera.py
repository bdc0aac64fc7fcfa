"""Run the `hera` command as a person does: in a process of its own, with a state folder of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for line in self.out.splitlines() if (event := json.loads(line))["kind"] == kind]


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "workflows", *map(str, words)]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(folder / "state"), **more}


def hera(folder: Path, *words: str | Path, timeout_s: float = 120, **more: str) -> Said:
    done = subprocess.run(
        command(*words),
        cwd=ROOT,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)
