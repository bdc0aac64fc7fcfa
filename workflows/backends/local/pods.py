"""Processes in place of pods: forked from a server that has Hera and the steps imported already.

A cold start of Hera costs most of a second, a fork some ten milliseconds. The server is multiprocessing's forkserver:
it runs no thread, and starts before the engine does.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from workflows.backends.local.forked import EXIT_FILE, HELD_BACK, Order, run_step

CONTEXT = multiprocessing.get_context("forkserver")
GRACE_S = 30.0  # as Kubernetes gives a pod between SIGTERM and SIGKILL
KILLED = 137  # what Argo's executor makes of an end by any signal
LOST = 255  # what multiprocessing makes of an end that nobody saw
LONGEST_LINE = 1 << 20
STARTS = 20
START_AGAIN_AFTER_S = 0.1
READ_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Ended:
    """How a process ended. exit_code None: it was lost, as a pod that somebody deletes."""

    exit_code: int | None
    deadline_passed: bool = False


class Halt:
    """Asked for once, seen by all who wait.

    shutdown: because somebody wants it; else because time is up
    The others are the messages of pods that run, that wait, of nodes over attempts, and of nodes that are suspended.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.running = self.waiting = self.retried = self.suspended = ""
        self.shutdown = False

    def ask(self, *, running: str, waiting: str, retried: str, suspended: str, shutdown: bool) -> None:
        if not self.event.is_set():
            self.shutdown = shutdown
            self.running, self.waiting, self.retried, self.suspended = running, waiting, retried, suspended
            self.event.set()

    @property
    def asked(self) -> bool:
        return self.event.is_set()


def warm_up(modules: Sequence[str]) -> None:
    """Afterwards the server runs, with these modules imported if it had to be started; does nothing when it runs."""
    CONTEXT.set_forkserver_preload(["workflows.backends.local.forked", *modules])
    path = os.environ.get("PYTHONPATH")
    # The server looks for modules where this process does, and never hears the signals meant for this process.
    os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(place).absolute()) for place in sys.path)
    resource_tracker.ensure_running()  # the forkserver would start it, and unblock two of the signals on the way
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.environ.pop("PYTHONPATH")
        if path is not None:
            os.environ["PYTHONPATH"] = path


async def run_process(
    order: Order,
    *,
    modules: Sequence[str],
    on_line: Callable[[str], None],
    halt: Halt,
    kill: Halt,
    deadline_s: float | None = None,
) -> Ended:
    """Run one step to its end; `halt` ends it with SIGTERM and, after the grace, SIGKILL; `kill` at once.

    modules: as for warm_up, should somebody have killed the server
    """
    process, lines = await _started(order, on_line, modules)
    ended = _end_of(process)
    try:
        late = not await _first(ended, halt.event, kill.event, timeout_s=deadline_s)
        if not ended.done():
            _signal(process, signal.SIGKILL if kill.asked else signal.SIGTERM)
            await _first(ended, kill.event, timeout_s=GRACE_S)
        if not ended.done():
            _signal(process, signal.SIGKILL)
        await ended
        return Ended(_exit_code(order, process), deadline_passed=late)
    finally:
        asyncio.get_running_loop().remove_reader(process.sentinel)
        _signal(process, signal.SIGKILL)  # what the step left behind ends with it, as in a container
        lines.close()
        process.join()
        process.close()


class Lines:
    """Reads a pipe as it fills and hands on whole lines."""

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        self.descriptor = descriptor
        self.on_line = on_line
        self.rest = b""
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> bool:
        """Whether there may be more to read now."""
        try:
            data = os.read(self.descriptor, READ_AT_ONCE)
        except BlockingIOError:
            return False
        *whole, self.rest = (self.rest + data).split(b"\n")
        if not data or len(self.rest) > LONGEST_LINE:
            whole, self.rest = [*whole, *([self.rest] if self.rest else [])], b""
        for line in whole:
            self.on_line(line.decode(errors="backslashreplace"))
        if not data:
            asyncio.get_running_loop().remove_reader(self.descriptor)
        return bool(data)

    def close(self) -> None:
        """Read what is left and close."""
        while self._read():
            pass
        asyncio.get_running_loop().remove_reader(self.descriptor)
        os.close(self.descriptor)
        if self.rest:
            self.on_line(self.rest.decode(errors="backslashreplace"))


async def _started(
    order: Order, on_line: Callable[[str], None], modules: Sequence[str]
) -> tuple[ForkServerProcess, Lines]:
    """Start the process; a server that was killed may look alive for a moment."""
    for _ in range(STARTS):
        warm_up(modules)
        try:
            return _start(order, on_line)
        except (OSError, EOFError):
            await asyncio.sleep(START_AGAIN_AFTER_S)
    warm_up(modules)
    return _start(order, on_line)


def _start(order: Order, on_line: Callable[[str], None]) -> tuple[ForkServerProcess, Lines]:
    reader, writer = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=run_step, args=(order, writer))
    try:
        with _no_main_module():
            process.start()
    except BaseException:
        reader.close()
        raise
    finally:
        writer.close()
    lines = Lines(os.dup(reader.fileno()), on_line)
    reader.close()
    return process, lines


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep multiprocessing from importing the whole of our command line into every step's process."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _end_of(process: ForkServerProcess) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def notice() -> None:
        loop.remove_reader(process.sentinel)
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(process.sentinel, notice)
    return ended


async def _first(ended: asyncio.Future[None], *events: asyncio.Event, timeout_s: float | None) -> bool:
    """Wait for whichever comes first; False: none came in time."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait([ended, *waits], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()


def _signal(process: ForkServerProcess, number: signal.Signals) -> None:
    if process.pid is None:
        return
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # it ended, or has not made its group yet
        with contextlib.suppress(ProcessLookupError):
            if process.is_alive():
                os.kill(process.pid, number)


def _exit_code(order: Order, process: ForkServerProcess) -> int | None:
    code = process.exitcode
    if code is None or code == LOST:
        try:
            return int((order.folder / EXIT_FILE).read_text())
        except (FileNotFoundError, ValueError):
            return None
    return KILLED if code < 0 else code
