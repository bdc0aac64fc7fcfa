"""The cluster's long-running processes: each is known by its id and start time, and no other is ever ended."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.children import start

PATIENCE_S = 15

_CHILDREN: "dict[int, subprocess.Popen[bytes]]" = {}  # those that this process started, until they are collected


class ClusterFailed(Exception):
    """The cluster did not come up or does not answer; the text has the reason."""


@dataclass(frozen=True)
class Process:
    """A process that outlives us, and its log."""

    name: str
    pid: int
    started: int
    log: Path

    @property
    def runs(self) -> bool:
        if (child := _CHILDREN.get(self.pid)) and child.poll() is not None:
            del _CHILDREN[self.pid]
        return _start_time(self.pid) == self.started

    def end(self) -> None:
        """It has ended: asked first, then insisted."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + PATIENCE_S
            if self.runs:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, kind)
            while self.runs and time.monotonic() < end:
                time.sleep(0.1)
        if self.runs:
            raise ClusterFailed(f"{self.name} (process {self.pid}) does not end")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


class Processes:
    """Those of one cluster, recorded in a folder."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder = folder
        self._logs = logs

    def start(self, name: str, command: Sequence[str], *, inside: Process | None = None) -> Process:
        """The running process. inside: in that one's mount namespace"""
        for folder in (self._folder, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        entered = ["nsenter", "--mount", f"--target={inside.pid}", "--", *command] if inside else list(command)
        log = self._logs / f"{name}.log"
        with log.open("ab") as file:
            child = start(entered, file, outlives_us=True)
        _CHILDREN[child.pid] = child
        process = Process(name, child.pid, _start_time(child.pid) or 0, log)
        (self._folder / name).write_text(json.dumps({"pid": process.pid, "started": process.started}))
        return process

    def of(self, name: str) -> Process | None:
        """The one that was started under this name, whether it still runs or not."""
        try:
            data = json.loads((self._folder / name).read_text())
        except FileNotFoundError:
            return None
        return Process(name, data["pid"], data["started"], self._logs / f"{name}.log")

    def all(self) -> list[Process]:
        names = sorted(path.name for path in self._folder.iterdir()) if self._folder.exists() else []
        return [process for name in names if (process := self.of(name))]

    def end(self, *names: str) -> None:
        """These have ended, in this order."""
        for name in names:
            if process := self.of(name):
                process.end()
                (self._folder / name).unlink(missing_ok=True)


def run(command: Sequence[str], *, given: str | None = None, timeout_s: float = 120) -> str:
    """Standard output of a command that succeeded."""
    try:
        done = subprocess.run(
            command,
            input=given,
            stdin=None if given is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterFailed(f"{' '.join(command[:6])} took longer than {timeout_s:.0f} s") from error
    if done.returncode:
        raise ClusterFailed(f"{' '.join(command[:6])} failed ({done.returncode}): {done.stderr.strip()[-2000:]}")
    return done.stdout


def kill(find: Callable[[], Sequence[int]], what: str) -> None:
    """None is found any more. Only for what nobody else can have started."""
    end = time.monotonic() + PATIENCE_S
    while pids := find():
        if time.monotonic() > end:
            raise ClusterFailed(f"{what} do not end: {', '.join(map(str, pids))}")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def with_argument(program: str, argument: str) -> list[int]:
    """Every process of this program that was given this argument."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_text().split("\0") if folder.name.isdigit() else []
        except (OSError, UnicodeDecodeError):
            continue
        if Path(words[0] if words else "").name.startswith(program) and argument in words:
            found.append(int(folder.name))
    return found


def _start_time(pid: int) -> int | None:
    """In clock ticks since the machine started; None for a process that is gone or waits to be collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
