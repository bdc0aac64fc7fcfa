"""Steps for the engine's tests, run through Hera's runner as the real ones are."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

from hera.workflows import Input as StepInput
from hera.workflows import Output as StepOutput
from hera.workflows import Parameter, RetryStrategy

from steps import runtime
from steps.clients import engine
from steps.domain.errors import Conflict, NotFound, Unavailable
from steps.domain.host import SecretRef

RETRY = RetryStrategy(
    limit=3, retry_policy="Always", expression="asInt(lastRetry.exitCode) == 75 || lastRetry.status == 'Error'"
)
WAITS_AT_MOST_S = 60.0


class Greeting(StepInput):
    name: str
    times: int = 2


class Greeted(StepOutput):
    text: str
    loud: Annotated[bool, Parameter(name="is-loud")]


@runtime.step()
def greet(given: Greeting) -> Greeted:
    runtime.say(f"greeting {given.name}", name=given.name)
    runtime.progress(50, "half way")
    print("a line on stderr", file=sys.stderr)
    return Greeted(text=" ".join([given.name] * given.times), loud=given.name.isupper())


class Named(StepInput):
    name: str


class Names(StepInput):
    names: str


class Listed(StepOutput):
    names: list[str]


@runtime.step()
def list_names(given: Names) -> Listed:
    return Listed(names=given.names.split(), result=given.names.split())


@runtime.step()
def shout(given: Named) -> None:
    """Print what is no JSON."""
    print(f"{given.name}!")


class Noted(StepInput):
    file: str
    line: str


@runtime.step()
def note(given: Noted) -> None:
    """Append a line to a file that the test reads."""
    _append(given.file, given.line)


class Fault(StepInput):
    file: str
    kind: str = "none"
    times: int = 1_000_000


@runtime.step(retry_strategy=RETRY)
def fail_at_first(given: Fault) -> None:
    """Fail in the given way the first `times` times; each attempt leaves a line."""
    _append(given.file, "attempt")
    if len(Path(given.file).read_text().splitlines()) > given.times:
        return
    match given.kind:
        case "unavailable":
            raise Unavailable("the peer is away", where="here", hint="wait")
        case "conflict":
            raise Conflict("somebody else has it", where="here", hint="ask them")
        case "bug":
            raise ZeroDivisionError("a bug")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "lost":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(WAITS_AT_MOST_S)
        case other:
            sys.exit(int(other))


@runtime.step()
def note_variable(given: Fault) -> None:
    """Leave what the manifest sets as a variable, and fail as what is tried again."""
    _append(given.file, os.environ["VARIABLE"])
    raise Unavailable("the peer is away", where="here", hint="wait")


@runtime.step()
def write_nothing(given: Named) -> Listed:
    sys.exit(0)


class Waiting(StepInput):
    file: str
    line: str = "waiting"
    until: str = "/nonexistent"


@runtime.step()
def wait_for_file(given: Waiting) -> None:
    """Leave a line, then wait until a file is there."""
    _append(given.file, given.line)
    end = time.monotonic() + WAITS_AT_MOST_S
    while not Path(given.until).exists() and time.monotonic() < end:
        time.sleep(0.01)


@runtime.step(active_deadline_seconds=1)
def hang(given: Named) -> None:
    time.sleep(WAITS_AT_MOST_S)


class Seen(StepOutput):
    secret: str
    missing: str


class Secrets(StepInput):
    name: str
    key: str


@runtime.step()
def look_at_secret(given: Secrets) -> Seen:
    """The length of a secret, and whether one that was not mounted can be read."""
    value = runtime.secret(SecretRef(name=given.name, key=given.key))
    try:
        runtime.secret(SecretRef(name="other", key="key"))
        missing = "readable"
    except NotFound:
        missing = "not readable"
    return Seen(secret=str(len(value)), missing=missing)


class Around(StepOutput):
    group_is_own: bool
    variable: str
    cold: bool
    working_folder: str


@runtime.step(env={"VARIABLE": "set in the manifest"})
def look_around(given: Named) -> Around:
    return Around(
        group_is_own=os.getpgid(0) == os.getpid(),
        variable=os.environ.get("VARIABLE", ""),
        cold="workflows.backends.local.forked" not in sys.modules,
        working_folder=str(Path.cwd()),
    )


class Family(StepInput):
    run: str
    names: str
    template: str
    file: str
    until: str = "/nonexistent"
    leave: bool = False


class Grown(StepOutput):
    phases: str


@runtime.step()
def roll_out(given: Family) -> Grown:
    """Create a child for each name and wait for them all, or fail at once if told to leave them."""
    children = engine.connect(runtime.engine_socket())
    names = given.names.split()
    for name in names:
        manifest = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {
                "name": f"{given.run}-{name}",
                "labels": {"herasphere/run": given.run, "herasphere/host": name},
            },
            "spec": {
                "workflowTemplateRef": {"name": given.template},
                "arguments": {
                    "parameters": [
                        {"name": "name", "value": name},
                        {"name": "file", "value": given.file},
                        {"name": "until", "value": given.until},
                    ]
                },
            },
        }
        children.create(manifest)
        try:
            children.create(manifest)
        except Conflict:
            runtime.say("exists already")
    if given.leave:
        raise NotFound("told to leave", where="rollout", hint="none")
    return Grown(phases=" ".join(_wait_for_all(children, given.run)))


@runtime.step()
def stop_children(given: Named) -> None:
    """Stop what is left of a run and wait for its end."""
    children = engine.connect(runtime.engine_socket())
    for workflow in children.list(given.name):
        children.stop(workflow["metadata"]["name"])
    _wait_for_all(children, given.name)


@runtime.step()
def leave_process_behind(given: Named) -> None:
    """Start a process that outlives the step and holds its stderr."""
    process = subprocess.Popen(["sleep", "600"])
    Path(given.name).write_text(str(process.pid))


@runtime.step()
def be_counted(given: Named) -> None:
    """Say how many processes work in the folder now; a process is a file there."""
    folder = Path(given.name)
    mine = folder / str(os.getpid())
    mine.touch()
    time.sleep(0.02)  # long enough to overlap, were more let in
    with (folder / "counts").open("a") as counts:
        counts.write(f"{len(list(folder.glob('[0-9]*')))}\n")
    mine.unlink()


def _append(file: str, line: str) -> None:
    with Path(file).open("a") as notes:
        notes.write(line + "\n")


def _wait_for_all(children: engine.Engine, run: str) -> list[str]:
    end = time.monotonic() + WAITS_AT_MOST_S
    while time.monotonic() < end:
        phases = [w["status"]["phase"] for w in children.list(run)]
        if all(phase in ("Succeeded", "Failed", "Error") for phase in phases):
            return phases
        time.sleep(0.02)
    raise TimeoutError(run)
