"""What everything that is built into the cache folder needs: one builder at a time, and a program's failure told."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.build import BuildFailed


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process is inside with the same path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a command that succeeded."""
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BuildFailed(f"{' '.join(command[:6])} failed ({done.returncode}): {said}")
    return done.stdout


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Remove all but the folders that were made last; who still reads one of those gets time by `count`."""
    made = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in made[count:]:
        shutil.rmtree(old, ignore_errors=True)
