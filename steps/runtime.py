"""What every step stands on in its pod: Hera's runner, secrets, progress, and how a failure is told.

The environment is read here and nowhere else in `steps/`:

HERASPHERE_SECRETS          folder of secrets, one folder per Secret and one file per key
HERASPHERE_ENGINE           unix socket of the local engine; unset in a pod, where the Kubernetes API is used
HERASPHERE_RUN_STORE        folder which keeps the run's report; unset in a pod, where the media service keeps it
HERASPHERE_MEDIA_SERVICE_*  where Kubernetes says the namespace's media service is
HERASPHERE_OUTPUT           folder of the volume that artifacts go to; unset where a run names none
HERASPHERE_TERMINATION_LOG  file whose one line the engine shows as the step's message
ARGO_PROGRESS_FILE          file in which Argo looks for "N/M"
ARGO_NODE_ID                <workflow>-<number>: the node this pod is of
"""

import functools
import json
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, TypeVar, cast, overload

from hera.workflows import RunnerScriptConstructor, Step, script
from hera.workflows.io import Input

from steps.clients.media import Media
from steps.clients.runstore import FolderStore, MediaStore, RunStore, log_name
from steps.domain.children import MEDIA_TOKEN
from steps.domain.errors import ConfigError, HerasphereError, NotFound, Unavailable
from steps.domain.host import SecretRef
from steps.domain.table import SecretEntry

OUTPUTS_DIRECTORY = "/tmp/hera-outputs"
OUTPUTS = "hera__outputs_directory"
RUNNER = RunnerScriptConstructor(outputs_directory=OUTPUTS_DIRECTORY)
EXIT_BUG = 70  # EX_SOFTWARE: not one of ours, so never retried
KEPT_LINES = 20_000
KEEP_LOG_WITHIN_S = 5.0  # a step that is being stopped has no more time


class StepInput(Input):
    """What every step is given.

    run:   name of the run it belongs to
    media: control URL of the media service; empty: the one in this pod's namespace
    """

    run: str
    media: str = ""


Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)


class StepTemplate(Protocol[Given, Made]):
    """A step: called with its Input it runs, called with arguments inside a workflow it becomes a task."""

    @overload
    def __call__(self, given: Given, /) -> Made: ...
    @overload
    def __call__(self, *, arguments: Mapping[str, str], name: str = ...) -> Step: ...


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

    def template(function: Callable[[Given], Made]) -> StepTemplate[Given, Made]:
        return cast(StepTemplate[Given, Made], script(constructor=RUNNER, **options)(_log_kept(function)))

    return template


def _log_kept(function: Callable[[Given], Made]) -> Callable[[Given], Made]:
    """The function, whose log is in the run store once it has ended: pods that did well are removed."""

    @functools.wraps(function)
    def kept(given: Given) -> Made:
        _log.given = given if isinstance(given, StepInput) else None
        _log.template = function.__name__.replace("_", "-")
        made = function(given)
        _keep_log()
        return made

    return kept


def engine_socket() -> str | None:
    """The local engine's socket; None in a pod."""
    return os.environ.get("HERASPHERE_ENGINE")


def media_at(given: StepInput, *, answer_within_s: float | None = None) -> Media:
    """The media service this step is to use; a context manager."""
    url = given.media
    if not url:
        host, port = (os.environ.get(f"HERASPHERE_MEDIA_SERVICE_{part}", "") for part in ("HOST", "PORT_CONTROL"))
        if not host:
            raise NotFound(
                "no media service is named, and this namespace has none",
                where="this step",
                hint="`hera deploy` starts one; or give its control URL as the parameter media",
            )
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return Media(url, secret(MEDIA_TOKEN), answer_within_s=answer_within_s)


def run_store(given: StepInput) -> RunStore:
    """Where this run's report and logs are kept."""
    folder = os.environ.get("HERASPHERE_RUN_STORE")
    return FolderStore(Path(folder)) if folder else MediaStore(lambda: media_at(given), given.run)


def output_folder() -> Path:
    """The folder of the volume that artifacts go to."""
    return Path(os.environ.get("HERASPHERE_OUTPUT", "/run/herasphere/output"))


def show(name: str, content: str | bytes) -> bool:
    """Leave a file that Argo's UI shows, where the deployment has artifacts, to whoever may see the workflow.

    False where there is no place for it. A local run has it in the step's folder.
    """
    outputs = os.environ.get(OUTPUTS)
    if not outputs:
        return False
    path = Path(outputs) / "artifacts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return True


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


def secret_or_none(entry: SecretEntry) -> str | None:
    """The secret's text; None for a Secret that other pods alone see, as in a run started from Argo's UI."""
    try:
        return secret(entry.ref)
    except NotFound:
        if entry.secret:
            return None
        raise


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
        what = line if isinstance(error, ConfigError) else error.what  # every fault, not how many
        _event("fault", text=what, where=error.where, hint=error.hint, exit_code=code)
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
        path.write_text(line)
    return code


class _Log:
    """The lines this process has told, and whose they are."""

    given: StepInput | None = None
    template = ""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)


_log = _Log()


def _event(kind: str, **facts: str | int | float | bool) -> None:
    line = json.dumps({"t": round(time.time(), 3), "kind": kind, **facts}) + "\n"
    _log.lines.append(line)
    sys.stderr.write(line)
    sys.stderr.flush()


def _keep_log() -> None:
    """Send the step's log to the run store; the local engine writes it down itself."""
    node, given = os.environ.get("ARGO_NODE_ID"), _log.given
    if not node or given is None:
        return
    try:
        store = MediaStore(lambda: media_at(given, answer_within_s=KEEP_LOG_WITHIN_S), given.run)
        store.put(log_name(node, _log.template), "".join(_log.lines))
    except HerasphereError as error:  # the log is in the pod; a step does not fail for it
        _event("say", text=f"this log is not kept: {error}")


def _exit_by_error(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, _trace)
        return
    code = fail(error)
    _keep_log()
    sys.stdout.flush()
    os._exit(code)  # an excepthook cannot choose the exit code otherwise


if OUTPUTS in os.environ:  # only in a pod: set by RUNNER on every template it makes
    sys.excepthook = _exit_by_error
    leave_on_sigterm()
