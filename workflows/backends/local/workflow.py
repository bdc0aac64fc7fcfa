"""One Workflow from its creation to its end: the lock it waits for, its entrypoint, its exit handler, its status."""

import asyncio
import contextlib
import json
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workflows.backends.events import Event, labels_of
from workflows.backends.local.attempts import PAST_DEADLINE, Attempts, Machine
from workflows.backends.local.locks import Locks
from workflows.backends.local.nodes import FULFILLED, Node, Nodes, timestamp
from workflows.backends.local.pods import Halt
from workflows.backends.local.reading import Manifest, arguments_of
from workflows.backends.local.templating import go_json, text_of
from workflows.backends.local.templating import replace as replaced
from workflows.backends.local.walk import Walk

STATUS_EVERY_S = 0.5  # workflow.json is written no more often than this while the workflow runs


class WorkflowRun:
    """A Workflow under way. Its manifest has its templates in it and was checked."""

    def __init__(self, manifest: Manifest, machine: Machine, locks: Locks, tell: Callable[[Event], None]) -> None:
        self.manifest = manifest
        self.spec = manifest["spec"]
        self.metadata = manifest["metadata"] | {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(time.time())}
        self.name = str(self.metadata["name"])
        self.machine = machine
        self.locks = locks
        self.tell = tell
        run, host = labels_of(manifest)
        self.about = Event(at=0.0, kind="workflow-started", workflow=self.name, run=run, host=host)
        self.nodes = Nodes(self.name)
        self.phase = "Pending"
        self.message = ""
        self.started_at = self.finished_at = 0.0
        self.shutdown = ""
        self.steps_halt = Halt()  # ends what is below the entrypoint
        self.kill = Halt()  # ends all, the exit handler too
        self.ended = asyncio.Event()
        self.writing: asyncio.TimerHandle | None = None

    @property
    def is_finished(self) -> bool:
        return self.finished_at > 0

    def stop(self) -> None:
        """End the steps and leave the rest to the exit handler."""
        self._shut_down("Stop", [self.steps_halt])

    def terminate(self) -> None:
        """End everything at once, without an exit handler."""
        self._shut_down("Terminate", [self.steps_halt, self.kill])

    def _shut_down(self, strategy: str, halts: list[Halt]) -> None:
        if self.is_finished or self.shutdown in (strategy, "Terminate"):
            return
        self.shutdown = strategy
        self._event("workflow-stopping", text=strategy)
        for halt in halts:
            halt.ask(
                running=f"workflow shutdown with strategy:  {strategy}",  # Argo's two blanks
                waiting=f"workflow shutdown with strategy: {strategy}",
                retried=f"Stopped with strategy '{strategy}'",
                suspended=f"Stopped with strategy '{strategy}'",
                shutdown=True,
            )

    async def run(self) -> None:
        """From Pending to the end; the locks are held until the exit handler has ended."""
        mutexes = (self.spec.get("synchronization") or {}).get("mutexes") or []
        entered: list[str] = []
        try:
            names = [replaced(mutex["name"], self._scope()) for mutex in mutexes]
            for name in sorted(set(names)):  # always in the same order, so that no two wait for each other
                entered.append(name)
                if not await self._wait_for_lock(name):
                    self._end("Failed", "Stopped with strategy 'Terminate'")
                    return
            await self._run()
        except Exception as error:  # one workflow's trouble must not end the others
            self._end("Error", self._defect(error))
        finally:
            for name in entered:
                self.locks.leave(name, self.name)
            self.ended.set()

    async def _wait_for_lock(self, name: str) -> bool:
        """False: terminated before its turn came. A Stop is obeyed when the lock is held, as on Argo."""
        turn = self.locks.enter(name, self.name)
        if turn.is_set():
            return True
        self.message = f"Waiting for {self.metadata.get('namespace', 'default')}/Mutex/{name} lock. Lock status: 0/1"
        self._event("workflow-waiting", text=self.message)
        self.changed()
        waits = [asyncio.ensure_future(turn.wait()), asyncio.ensure_future(self.kill.event.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self.message = ""
        return not self.kill.asked

    async def _run(self) -> None:
        self.phase, self.started_at = "Running", time.time()
        self._event("workflow-started")
        self.changed()
        attempts = Attempts(
            self.machine,
            self.nodes,
            self.spec.get("volumes") or [],
            parallelism=self.spec.get("parallelism"),
            kill=self.kill,
            about=self.about,
            tell=self.tell,
            changed=self.changed,
        )
        self._set_deadline()
        phase, message = await self._walk(attempts, self.spec["entrypoint"], self.name, self.steps_halt)
        if "onExit" in self.spec and not self.kill.asked:
            end = {"workflow.status": phase, "workflow.failures": json.dumps(go_json(self.nodes.failures() or None))}
            at_exit = await self._walk(attempts, self.spec["onExit"], f"{self.name}.onExit", self.kill, end)
            if phase == "Succeeded":
                phase, message = at_exit
        stopped = phase in ("Failed", "Error") and self.shutdown
        self._end(phase, f"Stopped with strategy '{self.shutdown}'" if stopped else message)

    async def _walk(
        self, attempts: Attempts, template: str, node: str, halt: Halt, more: dict[str, str] | None = None
    ) -> tuple[str, str]:
        """Phase and message of the node that was walked; a defect of the engine is an Error, and the rest goes on.

        The template's inputs are the workflow's arguments of the same names.
        """
        arguments = {each["name"]: text_of(each["value"]) for each in arguments_of(self.spec)}
        scope = self._scope() | (more or {})
        templates = {each["name"]: each for each in self.spec["templates"]}
        walk = Walk(templates, self.nodes, scope, attempts.run, self.changed, halt=halt, is_exit=more is not None)
        try:
            ended = await walk.template(template, arguments, node)
        except Exception as error:
            return "Error", self._defect(error)
        return ended.phase.replace("Skipped", "Succeeded"), ended.message

    def _defect(self, error: Exception) -> str:
        """Keep what went wrong in the engine itself, end the nodes it left open, and say it in one line."""
        with contextlib.suppress(OSError):
            path = self.machine.folder.of_workflow(self.name) / "engine-error.log"
            path.write_text("".join(traceback.format_exception(error)))
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        message = f"the local engine failed: {type(error).__name__}: {error}"
        for node in self.nodes.by_id.values():
            if node.phase not in FULFILLED:
                self.nodes.finish(node, "Error", message)
        return message

    def _set_deadline(self) -> None:
        """Have the steps halted when the time is up; the exit handler has no deadline."""
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None:
            return
        end = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(self.started_at + float(seconds)))

        def halt() -> None:
            over, late = f"retry exceeded workflow deadline {end}", "Step exceeded its deadline"
            self.steps_halt.ask(running=PAST_DEADLINE, waiting=late, retried=over, suspended=late, shutdown=False)

        asyncio.get_running_loop().call_later(float(seconds), halt)

    def _scope(self) -> dict[str, str]:
        parameters = [_as_argo_lists(each) for each in arguments_of(self.spec)]
        scope = {
            "workflow.name": self.name,
            "workflow.namespace": str(self.metadata.get("namespace", "default")),
            "workflow.uid": str(self.metadata["uid"]),
            "workflow.creationTimestamp": str(self.metadata["creationTimestamp"]),
            "workflow.mainEntrypoint": str(self.spec["entrypoint"]),
            "workflow.serviceAccountName": str(self.spec.get("serviceAccountName", "")),
            "workflow.parameters": go_json(parameters),
        }
        scope |= {f"workflow.parameters.{each['name']}": each["value"] for each in parameters}
        for kind in ("labels", "annotations"):
            scope |= {f"workflow.{kind}.{key}": str(value) for key, value in (self.metadata.get(kind) or {}).items()}
        return scope

    def _end(self, phase: str, message: str) -> None:
        self.phase, self.message, self.finished_at = phase, message, time.time()
        if self.writing is not None:
            self.writing.cancel()
        self._write()
        self._event("workflow-finished", text=message)

    def changed(self, node: Node | None = None) -> None:
        """Have the status written soon; tell of a step that was left out, as no process will."""
        if node is not None and node.type == "Skipped":
            self._event("node-finished", node=node)
        if self.writing is None:
            self.writing = asyncio.get_running_loop().call_later(STATUS_EVERY_S, self._write)

    def _write(self) -> None:
        self.writing = None
        with contextlib.suppress(OSError):  # a full disk is no reason to leave media mounted
            self.machine.folder.write_workflow(self.to_dict())

    def _event(self, kind: Any, *, text: str = "", node: Node | None = None) -> None:
        event = replace(self.about, at=time.time(), kind=kind, phase=self.phase, text=text)
        if node is not None:
            event = replace(event, node=node.display_name, template=node.template, phase=node.phase, text=node.message)
        self.tell(event)

    def to_dict(self) -> dict[str, Any]:
        """The Workflow object as Argo would show it."""
        status = {
            "phase": self.phase,
            "message": self.message,
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at),
            "nodes": {node.id: node.to_dict() for node in self.nodes.by_id.values()},
        }
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": self.metadata,
            "spec": self._own_spec(),
            "status": {key: value for key, value in status.items() if value},
        }

    def _own_spec(self) -> dict[str, Any]:
        """What differs from one run of a template to the next."""
        shutdown = {"shutdown": self.shutdown} if self.shutdown else {}
        return {"arguments": self.spec.get("arguments") or {}} | shutdown


def _as_argo_lists(parameter: Manifest) -> Manifest:
    """A parameter as {{workflow.parameters}} has it: everything is text, in this order."""
    texts = {key: text_of(parameter[key]) for key in ("name", "default", "value", "description") if key in parameter}
    enum = {"enum": [text_of(choice) for choice in parameter["enum"]]} if parameter.get("enum") else {}
    description = {"description": texts.pop("description")} if texts.get("description") else {}
    return texts | enum | description
