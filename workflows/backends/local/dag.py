"""The tasks of a DAG, begun as soon as those they depend on have ended, although another branch has failed.

With failFast too, as on Argo 4.0.2: it only decides whose phase the DAG takes, the first's or the last's that failed.
"""

import asyncio
from typing import TYPE_CHECKING

from workflows.backends.local.expressions import dependencies_are_met, tasks_named
from workflows.backends.local.nodes import BAD, Node, Phase
from workflows.backends.local.planning import CANNOT, Planned, Scope, plan, published, results_wanted
from workflows.backends.local.reading import Manifest, depends_of, fans_out, tasks_of

if TYPE_CHECKING:
    from workflows.backends.local.walk import Walk

OMITTED = "omitted: depends condition not met"


async def run_dag(walk: "Walk", template: Manifest, node: Node, scope: Scope) -> None:
    """Afterwards every task has ended or was left out, and the DAG's node is fulfilled."""
    tasks = {task["name"]: task for task in tasks_of(template)}
    run = DagRun(walk, template, node, scope, tasks)
    await run.all()
    if run.worst is not None:
        walk.nodes.finish(node, run.worst)
        return
    for name in tasks:
        scope |= run.published[name]
    walk.hand_up_outputs(template, node, scope)


class DagRun:
    """The tasks of one DAG, each begun as soon as those it depends on have ended."""

    def __init__(self, walk: "Walk", template: Manifest, node: Node, scope: Scope, tasks: dict[str, Manifest]) -> None:
        self.walk = walk
        self.node = node
        self.scope = scope
        self.tasks = tasks
        self.wanted = results_wanted(template)
        self.fail_fast = bool(template["dag"].get("failFast", True))
        self.waits_for = {n: tasks_named(depends_of(t)) if depends_of(t) else frozenset() for n, t in tasks.items()}
        self.targets = tasks.keys() - {name for waits in self.waits_for.values() for name in waits}
        self.ended: dict[str, Node] = {}
        self.published: dict[str, Scope] = {name: {} for name in tasks}
        self.done = {name: asyncio.Event() for name in tasks}
        self.worst: Phase | None = None

    async def all(self) -> None:
        async with asyncio.TaskGroup() as running:
            for name in self.tasks:
                running.create_task(self._task(name))
        bad = [phase for phase in map(self._branch, sorted(self.targets)) if phase in BAD]
        if bad or self.walk.halt.shutdown:
            self.worst = "Failed" if self.walk.halt.shutdown else bad[0 if self.fail_fast else -1]

    async def _task(self, name: str) -> None:
        for other in self.waits_for[name]:
            await self.done[other].wait()
        if not self.walk.halt.shutdown:  # Argo makes no more nodes then
            try:
                self.ended[name] = await self._run(name)
            except CANNOT as error:
                self.ended[name] = self._spoilt(name, str(error))
        self.done[name].set()

    def _branch(self, name: str) -> Phase:
        """The phase of a task; one that was left out takes the worst of those it waited for."""
        node = self.ended.get(name)
        if node is not None and node.phase not in ("Omitted", "Skipped"):
            return node.phase
        return _worst({self._branch(other) for other in self.waits_for[name]}) or "Succeeded"

    async def _run(self, name: str) -> Node:
        task, walk, node_name = self.tasks[name], self.walk, f"{self.node.name}.{name}"

        def left_out(phase: Phase, why: str) -> Node:
            return self._linked(name, walk.leave_out(node_name, task["template"], self.node, phase, why))

        phases = {other: self.ended[other].phase for other in self.waits_for[name] if other in self.ended}
        if len(phases) < len(self.waits_for[name]):
            return left_out("Omitted", OMITTED)
        if depends_of(task) and not dependencies_are_met(depends_of(task), phases):
            return left_out("Omitted", OMITTED)
        scope = self.scope.copy()
        for other in self._ancestors(name):
            scope |= self.published[other]
        try:
            plans = plan(task, scope)
        except CANNOT as error:
            return left_out("Error", str(error))
        if not fans_out(task) or plans[0].name == name:
            node = await walk.call(plans[0], node_name, self.node, wants=name in self.wanted)
            self.published[name] = published(f"tasks.{name}", task, [node])
            return self._linked(name, node)
        return await self._fan_out(name, plans)

    async def _fan_out(self, name: str, plans: list[Planned]) -> Node:
        group = self.walk.nodes.add(
            f"{self.node.name}.{name}", "TaskGroup", self.tasks[name]["template"], boundary=self.node, phase="Running"
        )
        self._linked(name, group)
        group.children = [self.walk.nodes.id_of(f"{self.node.name}.{plan.name}") for plan in plans]
        async with asyncio.TaskGroup() as running:
            calls = [
                running.create_task(
                    self.walk.call(p, f"{self.node.name}.{p.name}", self.node, wants=name in self.wanted)
                )
                for p in plans
            ]
        children = [call.result() for call in calls]
        self.published[name] = published(f"tasks.{name}", self.tasks[name], children)
        phase: Phase = next((child.phase for child in reversed(children) if child.is_bad), "Succeeded")
        self.walk.changed(self.walk.nodes.finish(group, phase))
        return group

    def _spoilt(self, name: str, message: str) -> Node:
        """The task's node as an Error: what it gave out cannot be used."""
        node = self.walk.nodes.by_id[self.walk.nodes.id_of(f"{self.node.name}.{name}")]
        return self.walk.nodes.finish(node, "Error", message)

    def _ancestors(self, name: str) -> set[str]:
        direct = self.waits_for[name]
        return set(direct).union(*(self._ancestors(other) for other in direct))

    def _linked(self, name: str, node: Node) -> Node:
        """The node as child of those it waited for, or of the DAG."""
        before = [self.walk.nodes.ends_of(self.ended[other]) for other in self.waits_for[name] if other in self.ended]
        for parent in [end for ends in before for end in ends] or [self.node]:
            if node.id not in parent.children:
                parent.children.append(node.id)
        return node


def _worst(phases: set[Phase]) -> Phase | None:
    if "Error" in phases:
        return "Error"
    return "Failed" if "Failed" in phases else None
