"""What every step stands on in its pod: Hera's runner, secrets, progress, and how a failure is told.

The environment is read here and nowhere else in `steps/`:

HERASPHERE_SECRETS          folder of secrets, one folder per Secret and one file per key
HERASPHERE_ENGINE           unix socket of the local engine; unset in a pod, where the Kubernetes API is used
HERASPHERE_RUN_STORE        folder which keeps reports of a run
HERASPHERE_TERMINATION_LOG  file whose one line the engine shows as the step's message
ARGO_PROGRESS_FILE          file in which Argo looks for "N/M"
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, TypeVar, cast, overload

from hera.workflows import RunnerScriptConstructor, Step, script

from steps.domain.errors import HerasphereError, NotFound, Unavailable
from steps.domain.host import SecretRef

OUTPUTS_DIRECTORY = "/tmp/hera-outputs"
RUNNER = RunnerScriptConstructor(outputs_directory=OUTPUTS_DIRECTORY)
EXIT_BUG = 70  # EX_SOFTWARE: not one of ours, so never retried

Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)


class StepTemplate(Protocol[Given, Made]):
    """A step: called with its Input it runs, called with arguments inside a workflow it becomes a task."""

    @overload
    def __call__(self, given: Given, /) -> Made: ...
    @overload
    def __call__(self, *, arguments: Mapping[str, str]) -> Step: ...


class Stopped(BaseException):
    """SIGTERM came. No Exception: what waits for faults that pass must not wait this one out."""


def leave_on_sigterm() -> None:
    """From now on SIGTERM ends the step: its sessions are closed and it exits as a fault that passes.

    Argo tries such a step again when its pod was drained from a node; when the workflow itself was stopped it does not.
    """
    signal.signal(signal.SIGTERM, _raise_stopped)


def _raise_stopped(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the closing of sessions
    raise Stopped


def step(**options: Any) -> Callable[[Callable[[Given], Made]], StepTemplate[Given, Made]]:
    """Make a function of one Input and one Output a script template run by Hera's runner.

    options: of Hera's `script`, for what a step does otherwise than all others (workflows/defaults.py)
    """
    return cast(Callable[[Callable[[Given], Made]], StepTemplate[Given, Made]], script(constructor=RUNNER, **options))


def engine_socket() -> str | None:
    """The local engine's socket; None in a pod."""
    return os.environ.get("HERASPHERE_ENGINE")


def run_store() -> Path:
    """The folder which keeps this run's report."""
    return Path(os.environ.get("HERASPHERE_RUN_STORE", "/tmp/herasphere-run"))


def secret(ref: SecretRef) -> str:
    """The secret's text without its trailing newline."""
    folder = Path(os.environ.get("HERASPHERE_SECRETS", "/run/herasphere/secrets"))
    path = folder / ref.name / ref.key
    try:
        return path.read_text().rstrip("\n")
    except OSError as error:
        raise NotFound(
            f"secret {ref} cannot be read ({error.strerror})",
            where="this step",
            hint=f"mount the Secret {ref.name} with the key {ref.key}, or name another in the host table",
        ) from error


def say(text: str, **facts: str | int | float | bool) -> None:
    """Log one JSON line on stderr; stdout belongs to Hera's runner."""
    _event("say", text=text, **facts)


def progress(percent: int, text: str) -> None:
    """Tell how far the step is, 0 to 100, and the evidence for it."""
    _event("progress", percent=percent, text=text)
    path = os.environ.get("ARGO_PROGRESS_FILE")
    if path:
        Path(path).write_text(f"{percent}/100\n")


def fail(error: BaseException) -> int:
    """Tell the failure in one line, leave it as the step's message, and return the exit code."""
    if isinstance(error, HerasphereError):
        line, code = str(error), error.exit_code
        _event("fault", text=error.what, where=error.where, hint=error.hint, exit_code=code)
    elif isinstance(error, Stopped):
        line, code = "stopped from outside", Unavailable.exit_code
        _event("say", text=line)
    else:
        traceback.print_exception(error)
        line, code = f"unexpected {type(error).__name__}: {error}", EXIT_BUG
        _event(
            "fault", text=line, where="", hint="this is a defect of herasphere: report it with this log", exit_code=code
        )
    path = Path(os.environ.get("HERASPHERE_TERMINATION_LOG", "/dev/termination-log"))
    if path.parent != Path("/dev") or path.exists():
        path.write_text(line + "\n")
    return code


def _event(kind: str, **facts: str | int | float | bool) -> None:
    sys.stderr.write(json.dumps({"t": round(time.time(), 3), "kind": kind, **facts}) + "\n")
    sys.stderr.flush()


def _exit_by_error(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, _trace)
        return
    code = fail(error)
    sys.stdout.flush()
    os._exit(code)  # an excepthook cannot choose the exit code otherwise


if "hera__outputs_directory" in os.environ:  # only in a pod: set by RUNNER on every template it makes
    sys.excepthook = _exit_by_error
    leave_on_sigterm()
