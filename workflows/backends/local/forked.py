"""What runs in a step's own process: the same runner, environment and files as in a pod. Imported by the forkserver."""

import io
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path

from hera.workflows._runner import util as runner

from steps import runtime

HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # blocked in the forkserver, and so in a new process too
INPUTS_FILE = "inputs.json"  # as Hera's runner reads them
EXIT_FILE = "exitcode"  # tells an exit code from a process whose end nobody saw


@dataclass(frozen=True)
class Order:
    """One attempt of one step; `folder` is its own and holds the inputs."""

    entrypoint: str
    folder: Path
    environment: dict[str, str]


def run_step(order: Order, stderr: Connection) -> None:
    """Run the step and end this process with the step's exit code."""
    os.setpgid(0, 0)  # a signal for the engine's terminal is not for us; one for us reaches our children too
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _redirect(order.folder, stderr)
    runtime.leave_on_sigterm()
    # with the signals still blocked: a thread that can take one would let it through where a step holds it back
    threading.Thread(target=_end_with_engine, daemon=True).start()
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    sys.argv = ["hera.workflows.runner", "-e", order.entrypoint, str(order.folder / INPUTS_FILE)]
    code = _exit_code()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the step is done: how it ended is told as it was
    sys.stdout.flush()
    sys.stderr.flush()
    (order.folder / EXIT_FILE).write_text(str(code))
    sys.exit(code)


def _exit_code() -> int:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)  # one that came before is taken here
        runner._run()
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return (ending.code or 0) & 0xFF
        sys.stderr.write(f"{ending.code}\n")
        return 1
    except BaseException as error:
        return runtime.fail(error)
    return 0


def _redirect(folder: Path, stderr: Connection) -> None:
    os.dup2(stderr.fileno(), 2)
    stderr.close()
    out = os.open(folder / "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.close(out)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(
        io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
    )


def _end_with_engine() -> None:
    """An engine that was killed takes its steps with it; the forkserver lives as long as any of them does."""
    engine = multiprocessing.parent_process()
    if engine is not None:
        connection.wait([engine.sentinel])
        os.killpg(0, signal.SIGKILL)
