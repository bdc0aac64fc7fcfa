"""Conformance cases on the local engine."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.case import Case, runs
from workflows.backends import local

LOOK_EVERY_S = 0.05


def run_here(case: Case, folder: Path) -> local.LocalRun:
    """What becomes of the case in this new folder."""
    for name, keys in case.secrets.items():
        (folder / "secrets" / name).mkdir(parents=True)
        for key, value in keys.items():
            (folder / "secrets" / name / key).write_text(value)
    with _stopping(case, folder / "run" / case.name / "workflow.json"):
        return local.run(
            case.manifest(),
            templates={str(template.name): template.to_dict() for template in case.templates},
            folder=folder / "run",
            secrets=folder / "secrets",
            on_event=lambda _event: None,
            environment={"PATH": os.environ["PATH"]},
        )


@contextmanager
def _stopping(case: Case, status: Path) -> Iterator[None]:
    """Stop the engine, as a service manager does, when the node is seen to run; it is never stopped too late."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            if status.exists() and runs(case.stop_when, json.loads(status.read_text())):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch)
    if case.stop_when:
        watcher.start()
    try:
        yield
    finally:
        over.set()
        if case.stop_when:
            watcher.join()
