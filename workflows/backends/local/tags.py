"""Which `{{...}}` tags are known where: a misspelt one is found before anything starts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workflows.backends.local.expressions import tasks_named
from workflows.backends.local.reading import arguments_of, calls, depends_of, fans_out, inputs_of, outputs_of, tasks_of
from workflows.backends.local.templating import RETRIES, tags_in

OF_WORKFLOW = frozenset({"name", "namespace", "uid", "creationTimestamp", "mainEntrypoint", "serviceAccountName"})
OF_END = frozenset({"workflow.status", "workflow.failures"})  # in what onExit calls only
OF_NODE = frozenset({"id", "startedAt", "finishedAt", "status", "exitCode"})


def reachable(graph: Mapping[str, Iterable[str]], start: Iterable[str]) -> set[str]:
    """Start, and all that it leads to."""
    found: set[str] = set()
    ahead = list(start)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(graph.get(name, ()))
    return found


def faults(spec: dict[str, Any], by_name: dict[str, dict[str, Any]]) -> Iterator[str]:
    graph = {name: {call["template"] for _, call in calls("", t)} for name, t in by_name.items()}
    at_end = reachable(graph, [spec["onExit"]] if "onExit" in spec else [])
    before = reachable(graph, [spec["entrypoint"]])
    known = _known_of_workflow(spec)
    yield from _unknown("spec.synchronization", spec.get("synchronization"), known)
    for index, (name, template) in enumerate(by_name.items()):
        path = f"spec.templates[{index}]"
        here = known | _known_of_inputs(template) | (OF_END if name in at_end - before else set())
        yield from _unknown(f"{path}.inputs", template.get("inputs"), known)
        yield from _unknown(f"{path}.script", template.get("script"), here | _known_of_attempts(template))
        yield from _in_steps(path, template, by_name, here)
        yield from _in_dag(path, template, by_name, here)


def _known_of_workflow(spec: dict[str, Any]) -> set[str]:
    parameters = arguments_of(spec)
    names = {f"workflow.{name}" for name in OF_WORKFLOW} | {"workflow.parameters"}
    return names | {f"workflow.parameters.{each['name']}" for each in parameters}


def _known_of_inputs(template: dict[str, Any]) -> set[str]:
    parameters = inputs_of(template)
    return {"inputs.parameters"} | {f"inputs.parameters.{each['name']}" for each in parameters}


def _known_of_attempts(template: dict[str, Any]) -> set[str]:
    return {RETRIES} if "retryStrategy" in template else set()


def _known_of_node(prefix: str, call: dict[str, Any], by_name: dict[str, Any]) -> set[str]:
    """What a finished step or task makes known to those after it."""
    template = by_name[call["template"]]
    outputs = outputs_of(template)
    known = {f"{prefix}.{name}" for name in OF_NODE} | {f"{prefix}.outputs.parameters.{o['name']}" for o in outputs}
    known |= {f"{prefix}.outputs.parameters"} if fans_out(call) else set()
    known |= {f"{prefix}.outputs.result"}
    # Argo waits for ever for an output of a step that was skipped; not even Terminate ends that.
    return {tag for tag in known if ".outputs." not in tag} if "when" in call else known


def _in_steps(path: str, template: dict[str, Any], by_name: dict[str, Any], known: set[str]) -> Iterator[str]:
    known = set(known)
    for g, group in enumerate(template.get("steps") or []):
        for s, step in enumerate(group):
            yield from _in_call(f"{path}.steps[{g}][{s}]", step, known)
        for step in group:
            known |= _known_of_node(f"steps.{step['name']}", step, by_name)
    if "steps" in template:
        yield from _unknown(f"{path}.outputs", template.get("outputs"), known)


def _in_dag(path: str, template: dict[str, Any], by_name: dict[str, Any], known: set[str]) -> Iterator[str]:
    tasks = {task["name"]: task for task in tasks_of(template)}
    waits = {name: tasks_named(depends_of(t)) if depends_of(t) else () for name, t in tasks.items()}
    published = {name: _known_of_node(f"tasks.{name}", task, by_name) for name, task in tasks.items()}
    for t, (name, task) in enumerate(tasks.items()):
        ancestors = reachable(waits, waits[name])
        yield from _in_call(f"{path}.dag.tasks[{t}]", task, known.union(*(published[a] for a in ancestors)))
    if tasks:
        yield from _unknown(f"{path}.outputs", template.get("outputs"), known.union(*published.values()))


def _in_call(path: str, call: dict[str, Any], known: set[str]) -> Iterator[str]:
    early = {key: call[key] for key in ("withItems", "withParam") if key in call}
    late = {key: value for key, value in call.items() if key not in ("withItems", "withParam")}
    yield from _unknown(path, early, known)
    yield from _unknown(path, late, known, items=fans_out(call))


def _unknown(path: str, value: Any, known: Iterable[str], *, items: bool = False) -> Iterator[str]:
    names = set(known)
    for tag in dict.fromkeys(tags_in(value)):
        if tag in names or re.match(r"workflow\.(labels|annotations)\.", tag):
            continue
        if items and re.fullmatch(r"item(\..+)?", tag):
            continue
        why = "; only templates of onExit alone know it" if tag in OF_END else ""
        why = why or ("; an output is known of earlier steps without `when` only" if ".outputs." in tag else "")
        yield f"{path}: the tag {{{{{tag}}}}} is unknown here{why}"
