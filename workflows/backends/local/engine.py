"""All Workflows of one run on this machine: the first, and the children that its steps ask for."""

import asyncio
import random
import shutil
import signal
import string
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.domain.children import HOST_LABEL, RUN_LABEL
from steps.domain.errors import Conflict, NotFound, Refused, Unsupported
from workflows.backends.events import Event
from workflows.backends.local import children, pods
from workflows.backends.local.attempts import Machine
from workflows.backends.local.locks import Locks
from workflows.backends.local.reading import Manifest, modules_of, resolved
from workflows.backends.local.rules import missing_values
from workflows.backends.local.runfolder import RunFolder
from workflows.backends.local.secretviews import SecretViews
from workflows.backends.local.subset import refuse
from workflows.backends.local.workflow import WorkflowRun

LEAST_PODS = 2  # a step that waits for its children holds one process, and they need another
STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class LocalRun:
    """What became of a run: Workflow objects with their status, the children in the order of their creation."""

    root: dict[str, Any]
    children: list[dict[str, Any]]


def run(
    manifest: Manifest,
    *,
    templates: Mapping[str, Manifest],
    folder: Path,
    secrets: Path,
    on_event: Callable[[Event], None],
    max_pods: int = 64,
    environment: Mapping[str, str],
) -> LocalRun:
    """Run a Workflow and its children here; returns when all of them, exit handlers included, have ended.

    templates:   the WorkflowTemplates that children may refer to, by name
    folder:      keeps logs, inputs, outputs and status; never a secret
    secrets:     a folder for each Secret with a file for each key
    max_pods:    processes at the same time
    environment: of every step; what the manifest sets wins

    The first Ctrl-C (or SIGTERM) stops all workflows and runs their exit handlers, the second Ctrl-C ends all at once.
    Raises Unsupported, NotFound or Refused before anything starts.
    """
    if max_pods < LEAST_PODS:
        raise Refused(f"{max_pods} processes are too few", where="max_pods", hint=f"give at least {LEAST_PODS}")
    first = _ready(manifest, templates)
    for template in templates.values():
        refuse(template)
    modules = tuple(modules_of([first, *templates.values()]))
    with _private_folder() as private:
        views = SecretViews(secrets, private)
        views.require(first["spec"].get("volumes") or [], f"Workflow {first['metadata']['name']}")
        pods.warm_up(modules)
        slots = asyncio.Semaphore(max_pods)
        machine = Machine(slots, RunFolder(folder), views, environment, private / "engine.sock", modules)
        return asyncio.run(_run(first, templates, machine, on_event))


class Engine:
    """The workflows under way. Everything happens in one thread, on one event loop."""

    def __init__(
        self,
        machine: Machine,
        templates: Mapping[str, Manifest],
        on_event: Callable[[Event], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.machine = machine
        self.templates = templates
        self.on_event = on_event
        self.tasks = tasks
        self.locks = Locks()
        self.workflows: dict[str, WorkflowRun] = {}
        self.stopping = False
        self.listener_failed: Exception | None = None

    def create(self, manifest: Manifest) -> WorkflowRun:
        """Start a Workflow; raises Conflict when its name is taken, Unsupported when it cannot be run here."""
        ready = _ready(manifest, self.templates)
        name = ready["metadata"]["name"]
        if name in self.workflows:
            raise Conflict(
                f"the workflow {name} exists", where="local engine", hint="look at it, or choose another name"
            )
        if self.stopping:
            raise Refused("the run is being stopped", where="local engine", hint="start a new run")
        self.machine.secrets.require(ready["spec"].get("volumes") or [], f"Workflow {name}")
        started = self.workflows[name] = WorkflowRun(ready, self.machine, self.locks, self.tell)
        self.tasks.create_task(started.run())
        return started

    def list(self, run: str) -> list[dict[str, Any]]:
        """The Workflow objects of the run's hosts, by the labels herasphere/run and herasphere/host."""
        labelled = [(w.metadata.get("labels") or {}, w) for w in self.workflows.values()]
        return [w.to_dict() for labels, w in labelled if labels.get(RUN_LABEL) == run and HOST_LABEL in labels]

    def phase(self, name: str) -> str | None:
        """The phase of the workflow of this name; None when this run has none."""
        return self.workflows[name].phase if name in self.workflows else None

    def stop(self, name: str) -> None:
        """End a workflow's steps; its exit handler runs."""
        if name not in self.workflows:
            raise NotFound(f"there is no workflow {name}", where="local engine", hint="list the run's workflows")
        self.workflows[name].stop()

    def stop_all(self) -> None:
        """As stop, for every workflow; no new one begins."""
        self.stopping = True
        for workflow in self.workflows.values():
            workflow.stop()

    def terminate_all(self) -> None:
        """End everything at once, exit handlers included."""
        self.stopping = True
        for workflow in self.workflows.values():
            workflow.terminate()

    def interrupt(self) -> None:
        """Ctrl-C: the first stops, the second terminates."""
        if self.stopping:
            self.terminate_all()
        else:
            self.stop_all()

    def tell(self, event: Event) -> None:
        """Hand an event on. A listener that fails (a closed pipe) stops the run, and is heard of at its end."""
        if self.listener_failed is not None:
            return
        try:
            self.on_event(event)
        except Exception as error:
            self.listener_failed = error
            asyncio.get_running_loop().call_soon(self.stop_all)


async def _run(
    manifest: Manifest, templates: Mapping[str, Manifest], machine: Machine, on_event: Callable[[Event], None]
) -> LocalRun:
    async with asyncio.TaskGroup() as tasks:
        engine = Engine(machine, templates, on_event, tasks)
        server = await children.serve(engine, machine.socket)
        with _signals(engine):
            root = engine.create(manifest)
            while unfinished := [w for w in engine.workflows.values() if not w.is_finished]:
                await unfinished[0].ended.wait()
        server.close()
    if engine.listener_failed is not None:
        raise engine.listener_failed
    return LocalRun(root.to_dict(), [w.to_dict() for w in engine.workflows.values() if w is not root])


def _ready(manifest: Manifest, templates: Mapping[str, Manifest]) -> Manifest:
    """The Workflow with its name and its templates in it; raises Unsupported unless all of it can be run here."""
    refuse(manifest)
    ready = _named(resolved(manifest, templates))
    refuse(ready)
    faults = missing_values(ready["spec"])
    if ready["kind"] != "Workflow" or faults:
        raise Unsupported(
            "; ".join(faults) or "a WorkflowTemplate is started by a Workflow which refers to it",
            where=f"{ready['kind']} {ready['metadata']['name']}",
            hint="see `hera render` for the workflow and its parameters",
        )
    return ready


def _named(manifest: Manifest) -> Manifest:
    metadata = manifest.get("metadata") or {}
    if metadata.get("name"):
        return manifest
    suffix = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))
    return manifest | {"metadata": metadata | {"name": f"{metadata.get('generateName', 'workflow-')}{suffix}"}}


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder of mode 0700 with a short path (a socket's may have 100 bytes) for socket and links; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hera-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _signals(engine: Engine) -> Iterator[None]:
    """Obey signals while the run lasts; another thread than the main one gets none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *STOP_SIGNALS)}
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, engine.interrupt)
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, engine.stop_all)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
