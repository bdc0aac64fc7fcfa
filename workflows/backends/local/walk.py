"""One Workflow's templates, walked as Argo's controller does: steps and fan-outs; nodes, phases and messages alike."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from workflows.backends.local.dag import run_dag
from workflows.backends.local.nodes import Node, Nodes, NodeType, Phase
from workflows.backends.local.planning import CANNOT, EMPTY, Planned, Scope, plan, published, results_wanted
from workflows.backends.local.pods import Halt
from workflows.backends.local.reading import Manifest, inputs_of, outputs_of
from workflows.backends.local.templating import UnknownTag, replace, text_of


@dataclass(frozen=True)
class Leaf:
    """A script to be run, with everything in it that is decided."""

    name: str
    template: Manifest
    boundary: Node | None
    inputs: dict[str, str]
    scope: Scope
    wants_result: bool
    halt: Halt
    is_exit: bool


class Walk:
    """Everything below the entrypoint, or everything below onExit."""

    def __init__(
        self,
        templates: dict[str, Manifest],
        nodes: Nodes,
        scope: Scope,
        run_leaf: Callable[[Leaf], Awaitable[Node]],
        changed: Callable[[Node], None],
        *,
        halt: Halt,
        is_exit: bool = False,
    ) -> None:
        self.templates = templates
        self.nodes = nodes
        self.scope = scope
        self.run_leaf = run_leaf
        self.changed = changed
        self.halt = halt
        self.is_exit = is_exit

    async def template(
        self, name: str, arguments: dict[str, str], node_name: str, boundary: Node | None = None, *, wants: bool = False
    ) -> Node:
        """Run a template as the node of this name; afterwards the node is fulfilled."""
        template = self.templates[name]
        inputs = _inputs(template, arguments, self.scope)
        scope = self.scope | {f"inputs.parameters.{key}": value for key, value in inputs.items()}
        if "script" in template:
            leaf = Leaf(node_name, template, boundary, inputs, scope, wants, self.halt, self.is_exit)
            return await self.run_leaf(leaf)
        if "suspend" in template:
            return await self._suspended(name, node_name, boundary)
        kind: NodeType = "Steps" if "steps" in template else "DAG"
        flag = "hooked" if self.is_exit and boundary is None else ""
        node = self.nodes.add(node_name, kind, name, boundary=boundary, phase="Running", inputs=inputs, flag=flag)
        self.changed(node)
        await (self._steps(template, node, scope) if kind == "Steps" else run_dag(self, template, node, scope))
        self.changed(node)
        return node

    async def _suspended(self, name: str, node_name: str, boundary: Node | None) -> Node:
        """A node that waits for somebody; on one machine the plan was confirmed before, and only a stop comes."""
        node = self.nodes.add(node_name, "Suspend", name, boundary=boundary, phase="Running")
        self.changed(node)
        await self.halt.event.wait()
        self.changed(self.nodes.finish(node, "Failed", self.halt.suspended))
        return node

    async def _steps(self, template: Manifest, node: Node, scope: Scope) -> None:
        wanted = results_wanted(template)
        before = [node]
        for index, group in enumerate(template["steps"]):
            group_node = self.nodes.add(f"{node.name}[{index}]", "StepGroup", "", boundary=node, phase="Running")
            for each in before:
                each.children.append(group_node.id)
            children = await self._group(group, group_node, node, scope, wanted)
            if group_node.is_bad:
                self.nodes.finish(node, "Failed", group_node.message)
                return
            try:
                for step in group:
                    scope |= published(f"steps.{step['name']}", step, children[step["name"]])
            except CANNOT as error:
                self.nodes.finish(node, "Error", str(error))
                return
            ends = [end for child in group_node.children for end in self.nodes.ends_of(self.nodes.by_id[child])]
            before = ends or [group_node]
        self.hand_up_outputs(template, node, scope)

    async def _group(
        self, group: list[Manifest], group_node: Node, boundary: Node, scope: Scope, wanted: set[str]
    ) -> dict[str, list[Node]]:
        """Run the steps of a group side by side; afterwards the group's node is fulfilled."""
        try:
            planned = [(step["name"], plan(step, scope)) for step in group]
        except CANNOT as error:
            self.nodes.finish(group_node, "Error", str(error))
            return {}
        planned.sort(key=lambda each: each[1][0].skipped != EMPTY)  # Argo makes the nodes of empty lists first
        calls = [(name, f"{group_node.name}.{each.name}", each) for name, plans in planned for each in plans]
        group_node.children = [self.nodes.id_of(node_name) for _, node_name, _ in calls]
        async with asyncio.TaskGroup() as tasks:
            running = [
                (name, tasks.create_task(self.call(each, node_name, boundary, wants=name in wanted)))
                for name, node_name, each in calls
            ]
        ended = [(name, task.result()) for name, task in running]
        bad = next((node for _, node in ended if node.is_bad), None)
        if bad is None:
            self.nodes.finish(group_node, "Succeeded")
        else:
            self.nodes.finish(group_node, "Failed", f"child '{bad.id}' failed")
        self.changed(group_node)
        return {name: [node for owner, node in ended if owner == name] for name, _ in planned}

    def hand_up_outputs(self, template: Manifest, node: Node, scope: Scope) -> None:
        """What a Steps or DAG template gives out comes from those below it."""
        for output in outputs_of(template):
            source = output["valueFrom"]
            try:
                node.outputs[output["name"]] = replace(source["parameter"], scope)
            except UnknownTag as error:
                if "default" not in source:
                    self.nodes.finish(node, "Error", str(error))
                    return
                node.outputs[output["name"]] = text_of(source["default"])
        self.nodes.finish(node, "Succeeded")

    async def call(self, planned: Planned, node_name: str, boundary: Node, *, wants: bool) -> Node:
        """Run one planned step or task, or leave it out."""
        if not planned.skipped:
            return await self.template(planned.template, planned.arguments, node_name, boundary, wants=wants)
        return self.leave_out(node_name, planned.template, boundary, "Skipped", planned.skipped)

    def leave_out(self, node_name: str, template: str, boundary: Node, phase: Phase, message: str) -> Node:
        """A node of type Skipped: its step does not run."""
        node = self.nodes.add(node_name, "Skipped", template, boundary=boundary, phase=phase, message=message)
        self.changed(node)
        return node


def _inputs(template: Manifest, arguments: dict[str, str], scope: Scope) -> dict[str, str]:
    """The template's inputs: as given, else its own value or default."""
    return {
        each["name"]: arguments.get(each["name"], text_of(replace(each.get("value", each.get("default", "")), scope)))
        for each in inputs_of(template)
    }
