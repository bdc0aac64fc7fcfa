"""A script template run: its process in a folder of its own, what it leaves, and another attempt where wanted."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workflows.backends.events import Event, event_of_line
from workflows.backends.local.durations import in_words, seconds_of
from workflows.backends.local.expressions import ExpressionError, retry_is_wanted
from workflows.backends.local.forked import INPUTS_FILE, Order
from workflows.backends.local.nodes import Flag, Node, Nodes, Phase
from workflows.backends.local.outputs import take_outputs, termination_message
from workflows.backends.local.pods import Ended, Halt, run_process
from workflows.backends.local.reading import OUTPUTS_VARIABLE, entrypoint_of, variables_of
from workflows.backends.local.runfolder import RunFolder, write_json
from workflows.backends.local.secretviews import SecretViews
from workflows.backends.local.templating import RETRIES, UnknownTag, text_of
from workflows.backends.local.templating import replace as replaced
from workflows.backends.local.walk import Leaf

PAST_DEADLINE = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True)
class Machine:
    """What all workflows of a run share: room for processes, folders, secrets, and the environment of every step."""

    slots: asyncio.Semaphore
    folder: RunFolder
    secrets: SecretViews
    environment: Mapping[str, str]
    socket: Path
    modules: tuple[str, ...]  # of all steps


class Attempts:
    """Runs the scripts of one workflow."""

    def __init__(
        self,
        machine: Machine,
        nodes: Nodes,
        volumes: list[dict[str, Any]],
        *,
        parallelism: int | None,
        kill: Halt,
        about: Event,
        tell: Callable[[Event], None],
        changed: Callable[[Node], None],
    ) -> None:
        self.machine = machine
        self.nodes = nodes
        self.volumes = volumes
        self.parallel = asyncio.Semaphore(parallelism) if parallelism else None
        self.kill = kill
        self.about = about  # an event with the workflow's own fields filled in
        self.tell = tell
        self.changed = changed

    async def run(self, leaf: Leaf) -> Node:
        """The script's node, fulfilled: of its only attempt, or a Retry node over all of them."""
        strategy = leaf.template.get("retryStrategy")
        is_handler = leaf.is_exit and leaf.boundary is None
        if strategy is None:
            return await self._attempt(leaf, leaf.name, "hooked" if is_handler else "")
        template = leaf.template["name"]
        flag: Flag = "hooked retried" if is_handler else ""  # Argo flags a retried handler and its attempts alike
        node = self.nodes.add(leaf.name, "Retry", template, boundary=leaf.boundary, inputs=leaf.inputs, flag=flag)
        node.phase = "Running"
        while True:
            number = len(node.children)
            name = f"{leaf.name}({number})"
            node.children.append(self.nodes.id_of(name))
            numbered = replace(leaf, scope=leaf.scope | {RETRIES: str(number)})
            last = await self._attempt(numbered, name, flag or "retried")
            node.copy_outputs(last)
            ending = _ending(strategy, node, last, leaf.halt) or await self._backed_off(strategy, node, last, leaf.halt)
            if ending is not None:
                self.changed(self.nodes.finish(node, *ending))
                return node

    async def _backed_off(
        self, strategy: dict[str, Any], node: Node, last: Node, halt: Halt
    ) -> tuple[Phase, str] | None:
        """Wait as the backoff wants; how the node ends if there is no time left for another attempt."""
        backoff = {key: text_of(value) for key, value in (strategy.get("backoff") or {}).items()}
        if not backoff:
            return None
        factor = float(backoff.get("factor", "0"))
        wait_s = seconds_of(backoff["duration"]) * (factor ** (len(node.children) - 1) if factor > 0 else 1)
        wait_s = min(wait_s, seconds_of(backoff.get("cap", "0")) or wait_s)
        first = self.nodes.by_id[node.children[0]]
        longest_s = seconds_of(backoff.get("maxDuration", "0"))
        if longest_s and last.finished_at + wait_s > first.started_at + longest_s:
            late = time.time() > first.started_at + longest_s
            return last.phase, "Max duration limit exceeded" if late else "Backoff would exceed max duration limit"
        node.message = f"Backoff for {in_words(wait_s)}"
        self.changed(node)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(halt.event.wait(), wait_s)
        node.message = ""
        return (last.phase, halt.retried) if halt.asked else None

    async def _attempt(self, leaf: Leaf, name: str, flag: Flag) -> Node:
        node = self.nodes.add(name, "Pod", leaf.template["name"], boundary=leaf.boundary, inputs=leaf.inputs, flag=flag)
        self.changed(node)
        async with contextlib.AsyncExitStack() as held:
            for room in (self.parallel, self.machine.slots):
                if room is not None and await _unless(leaf.halt, room.acquire()):
                    held.callback(room.release)
            if leaf.halt.asked:
                self.nodes.finish(node, "Failed", leaf.halt.waiting)
            else:
                try:
                    await self._run(leaf, node)
                except (OSError, EOFError, UnknownTag) as error:  # no room for a file or a process: this node's alone
                    self.nodes.finish(node, "Error", f"{type(error).__name__}: {error}")
        self._event(node, "node-finished", text=node.message)
        self.changed(node)
        return node

    async def _run(self, leaf: Leaf, node: Node) -> None:
        folder = self.machine.folder.of_node(self.about.workflow, node)
        order = self._order(leaf, folder)
        node.phase, node.started_at = "Running", time.time()
        self._event(node, "node-started")
        self.changed(node)
        with (folder / "log").open("w", encoding="utf-8") as log:

            def on_line(line: str) -> None:
                log.write(line + "\n")
                log.flush()
                self._take_line(node, line)

            deadline = leaf.template.get("activeDeadlineSeconds")
            ended = await run_process(
                order,
                modules=self.machine.modules,
                on_line=on_line,
                halt=leaf.halt,
                kill=self.kill,
                deadline_s=float(deadline) if deadline is not None else None,
            )
        self._finish(leaf, node, folder, ended)
        self.machine.folder.write_end(folder, node)

    def _order(self, leaf: Leaf, folder: Path) -> Order:
        script = leaf.template["script"]
        write_json(folder / INPUTS_FILE, [{"name": name, "value": value} for name, value in leaf.inputs.items()])
        view = self.machine.secrets.view(self.volumes, script.get("volumeMounts") or [])
        environment = {**self.machine.environment, **replaced(variables_of(script), leaf.scope)}
        environment |= {
            OUTPUTS_VARIABLE: str(folder / "outputs"),
            "HERASPHERE_SECRETS": str(view),
            "HERASPHERE_ENGINE": str(self.machine.socket),
            "HERASPHERE_TERMINATION_LOG": str(folder / "termination-log"),
            "ARGO_PROGRESS_FILE": str(folder / "progress"),
        }
        environment.setdefault("HERASPHERE_RUN_STORE", str(self.machine.folder.path))
        return Order(entrypoint_of(script), folder, environment)

    def _take_line(self, node: Node, line: str) -> None:
        """Tell a line of the step's stderr as the event it is, or as a line of its log."""
        try:
            fields = json.loads(line) if line.startswith("{") else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or "kind" not in fields:
            self._event(node, "log", text=line)
            return
        event = event_of_line(
            fields,
            workflow=self.about.workflow,
            run=self.about.run,
            host=self.about.host,
            node=node.display_name,
            template=node.template,
        )
        if event.kind == "progress" and event.percent is not None:
            node.progress = f"{event.percent}/100"
            self.changed(node)
        self.tell(event)

    def _event(self, node: Node, kind: Any, *, text: str = "") -> None:
        self.tell(
            replace(
                self.about,
                at=time.time(),
                kind=kind,
                node=node.display_name,
                template=node.template,
                phase=node.phase,
                text=text,
                exit_code=node.exit_code,
            )
        )

    def _finish(self, leaf: Leaf, node: Node, folder: Path, ended: Ended) -> None:
        """The node's phase, message and outputs, as Argo infers them from a pod."""
        node.exit_code = ended.exit_code
        missing = take_outputs(leaf.template, node, folder, wants_result=leaf.wants_result)
        if leaf.halt.asked and ended.exit_code != 0:
            self.nodes.finish(node, "Failed", leaf.halt.running)
        elif self.kill.asked and ended.exit_code != 0:
            self.nodes.finish(node, "Failed", self.kill.running)
        elif ended.deadline_passed:
            self.nodes.finish(node, "Failed", PAST_DEADLINE)
        elif ended.exit_code is None:
            self.nodes.finish(node, "Error", "pod deleted")
        elif ended.exit_code != 0:
            said = termination_message(folder)
            message = f"main: Error (exit code {ended.exit_code})" + (f": {said}" if said else "")
            self.nodes.finish(node, "Failed", message)
        elif missing:
            self.nodes.finish(node, "Error", missing)
        else:
            self.nodes.finish(node, "Succeeded")


def _ending(strategy: dict[str, Any], node: Node, last: Node, halt: Halt) -> tuple[Phase, str] | None:
    """How the Retry node ends after this attempt; None: another one is wanted.

    Argo waits out the backoff before it asks the expression; here a fault that is not retried ends the node at once.
    """
    if not last.is_bad:
        return "Succeeded", ""
    if halt.asked:
        return last.phase, halt.retried
    expression = str(strategy.get("expression", ""))
    policy = strategy.get("retryPolicy") or ("Always" if expression else "OnFailure")
    if policy not in {"Failed": ("Always", "OnFailure"), "Error": ("Always", "OnError")}[last.phase]:
        return last.phase, last.message
    if "limit" in strategy and len(node.children) > int(strategy["limit"]):
        return last.phase, "No more retries left"
    if not expression:
        return None
    about_last = {
        "exitCode": "-1" if last.exit_code is None else str(last.exit_code),
        "status": last.phase,
        "duration": str(last.finished_at - last.started_at),
        "message": last.message,
    }
    try:
        wanted = retry_is_wanted(expression, about_last)
    except ExpressionError as error:
        return "Error", str(error)
    return None if wanted else (last.phase, "retryStrategy.expression evaluated to false")


async def _unless(halt: Halt, acquiring: Awaitable[Any]) -> bool:
    """Whether it was acquired before the halt was asked for."""
    task = asyncio.ensure_future(acquiring)
    stop = asyncio.ensure_future(halt.event.wait())
    try:
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        if not task.done():
            task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True
