"""What a list of fields cannot say about a manifest: names that must exist, languages that must parse, known tags."""

import re
from collections.abc import Iterator
from typing import Any

from workflows.backends.local import tags
from workflows.backends.local.durations import BadDuration, seconds_of
from workflows.backends.local.expressions import ExpressionError, parse_depends, parse_retry, parse_when, tasks_named
from workflows.backends.local.reading import (
    RUNNER,
    SECRETS_PATH,
    arguments_of,
    calls,
    depends_of,
    inputs_of,
    outputs_of,
    outputs_root,
    tasks_of,
)
from workflows.backends.local.templating import TAG, text_of

KINDS = ("steps", "dag", "script", "suspend")
POLICIES = ("Always", "OnFailure", "OnError")
Found = Iterator[str]


def faults(manifest: dict[str, Any]) -> list[str]:
    """All of them, each with its path. The form of the manifest is right already (subset.py)."""
    return list(_manifest(manifest))


def missing_values(spec: dict[str, Any]) -> list[str]:
    """Arguments that a Workflow which is to start has no value for (a default counts for nothing there, as on Argo)."""
    return [f"spec.arguments: {each['name']} needs a value" for each in arguments_of(spec) if each.get("value") is None]


def _manifest(manifest: dict[str, Any]) -> Found:
    if manifest.get("kind") not in ("Workflow", "WorkflowTemplate"):
        yield f"kind: {manifest.get('kind')} cannot be run here, only Workflow and WorkflowTemplate"
        return
    spec = manifest.get("spec") or {}
    yield from _values("spec.arguments.parameters", arguments_of(spec))
    if "workflowTemplateRef" in spec:
        for key in ("templates", "entrypoint", "onExit"):
            if key in spec:
                yield f"spec.{key}: not together with workflowTemplateRef here"
        return
    templates = spec.get("templates") or []
    names = [template.get("name", "") for template in templates]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"spec.templates: two are called {name}"
    by_name = {template.get("name", ""): template for template in templates}
    for key in ("entrypoint", "onExit"):
        if (key == "entrypoint" or key in spec) and spec.get(key) not in by_name:
            yield f"spec.{key}: there is no template {spec.get(key)}"
        elif key in spec:
            yield from _inputs_of_first(f"spec.{key}", by_name[spec[key]], spec)
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or []}
    if manifest["kind"] == "Workflow":
        yield from _mounts(templates, volumes)
    problems = [
        each for i, t in enumerate(templates) for each in _template(f"spec.templates[{i}]", t, by_name, volumes)
    ]
    yield from problems
    if not problems:
        yield from _cycles(by_name)
        yield from _dags_at_the_end(spec, by_name)
        yield from tags.faults(spec, by_name)


def _mounts(templates: list[dict[str, Any]], volumes: dict[str, Any]) -> Found:
    """A WorkflowTemplate may leave a volume to the Workflow that refers to it; a Workflow has them all."""
    for t, template in enumerate(templates):
        for m, mount in enumerate((template.get("script") or {}).get("volumeMounts") or []):
            if mount.get("name") not in volumes:
                yield f"spec.templates[{t}].script.volumeMounts[{m}].name: there is no volume {mount.get('name')}"


def _inputs_of_first(path: str, template: dict[str, Any], spec: dict[str, Any]) -> Found:
    """What nobody calls gets the workflow's arguments of the same names."""
    for name in sorted(_needed(template) - {each["name"] for each in arguments_of(spec)}):
        yield f"{path}: {template['name']} needs a value for {name}, and spec.arguments has none of that name"


def _needed(template: dict[str, Any]) -> set[str]:
    return {each["name"] for each in inputs_of(template) if "value" not in each and "default" not in each}


def _values(path: str, parameters: list[dict[str, Any]]) -> Found:
    for index, each in enumerate(parameters):
        given = each.get("value", each.get("default"))
        enum = [text_of(choice) for choice in each.get("enum") or []]
        if enum and given is not None and not TAG.search(text_of(given)) and text_of(given) not in enum:
            yield f"{path}[{index}].value: {text_of(given)} is none of {', '.join(enum)}"


def _template(path: str, template: dict[str, Any], by_name: dict[str, Any], volumes: dict[str, Any]) -> Found:
    kinds = [kind for kind in KINDS if kind in template]
    if len(kinds) != 1:
        yield f"{path}: it must have one of {', '.join(KINDS)}"
        return
    yield from _values(f"{path}.inputs.parameters", inputs_of(template))
    if template.get("suspend"):
        yield f"{path}.suspend: only one without a duration can be run here"
    if "retryStrategy" in template:
        yield from _retry(f"{path}.retryStrategy", template["retryStrategy"], kinds[0])
    if kinds[0] == "script":
        yield from _script(f"{path}.script", template["script"], volumes)
        yield from _output_paths(path, template)
        return
    if "activeDeadlineSeconds" in template:
        yield f"{path}.activeDeadlineSeconds: only a script can have it"
    for index, output in enumerate(outputs_of(template)):
        if "parameter" not in (output.get("valueFrom") or {}):
            yield f"{path}.outputs.parameters[{index}]: valueFrom.parameter is needed"
    for place, call in calls(path, template):
        yield from _call(place, call, by_name)
    if kinds[0] == "dag":
        yield from _dag(f"{path}.dag", template["dag"]["tasks"])


def _call(path: str, call: dict[str, Any], by_name: dict[str, Any]) -> Found:
    template = by_name.get(str(call.get("template")))
    if template is None:
        yield f"{path}.template: there is no template {call.get('template')}"
        return
    given = {each["name"] for each in arguments_of(call)}
    for name in sorted(given - {each["name"] for each in inputs_of(template)}):
        yield f"{path}.arguments: {template['name']} has no input {name}"
    for name in sorted(_needed(template) - given):
        yield f"{path}.arguments: {template['name']} needs a value for {name}"
    if "withItems" in call and "withParam" in call:
        yield f"{path}: withItems and withParam exclude each other"
    if "when" in call:
        yield from _parses(f"{path}.when", lambda: parse_when(TAG.sub("x", str(call["when"]))))


def _retry(path: str, retry: dict[str, Any], kind: str) -> Found:
    if kind != "script":
        yield f"{path}: only a script can be retried here"
    if retry.get("retryPolicy", "Always") not in POLICIES:
        yield f"{path}.retryPolicy: {retry['retryPolicy']} is none of {', '.join(POLICIES)}"
    if not re.fullmatch(r"\d+", text_of(retry.get("limit", 0))):
        yield f"{path}.limit: {retry['limit']} is no number"
    if "expression" in retry:
        yield from _parses(f"{path}.expression", lambda: parse_retry(str(retry["expression"])))
    backoff = retry.get("backoff") or {}
    if backoff and "duration" not in backoff:
        yield f"{path}.backoff.duration: is needed"
    for key in ("duration", "maxDuration", "cap"):
        yield from _parses(f"{path}.backoff.{key}", lambda key=key: seconds_of(text_of(backoff.get(key, "0"))))


def _script(path: str, script: dict[str, Any], volumes: dict[str, Any]) -> Found:
    args = script.get("args") or []
    if args[: len(RUNNER)] != RUNNER or len(args) != len(RUNNER) + 1 or not re.fullmatch(r"[\w.]+:\w+", args[-1]):
        yield f"{path}.args: only a script of Hera's runner can be run here ({' '.join(RUNNER)} module:function)"
    if str(script.get("source", "")).strip() != "{{inputs.parameters}}":
        yield f"{path}.source: only {{{{inputs.parameters}}}} as Hera's runner wants it"
    for index, mount in enumerate(script.get("volumeMounts") or []):
        volume = volumes.get(mount.get("name"))
        secret = volume is not None and ("secret" in volume or "projected" in volume)
        folder = str(mount.get("mountPath", ""))
        if secret and folder != SECRETS_PATH and not folder.startswith(SECRETS_PATH + "/"):
            yield f"{path}.volumeMounts[{index}].mountPath: secrets are read below {SECRETS_PATH} only"


def _output_paths(path: str, template: dict[str, Any]) -> Found:
    root = outputs_root(template["script"]) + "/"
    for index, output in enumerate(outputs_of(template)):
        file = (output.get("valueFrom") or {}).get("path")
        if not file or not str(file).startswith(root):
            yield f"{path}.outputs.parameters[{index}].valueFrom.path: must lie below {root}"


def _dag(path: str, tasks: list[dict[str, Any]]) -> Found:
    names = {task["name"] for task in tasks}
    for index, task in enumerate(tasks):
        place = f"{path}.tasks[{index}]"
        if "depends" in task and "dependencies" in task:
            yield f"{place}: depends and dependencies exclude each other"
        try:
            parse_depends(depends_of(task) or "x")
            waits_for = tasks_named(depends_of(task)) if depends_of(task) else frozenset()
        except ExpressionError as error:
            yield f"{place}.depends: {error}"
            continue
        for name in sorted(waits_for - names):
            yield f"{place}.depends: there is no task {name}"


def _called(by_name: dict[str, Any]) -> dict[str, set[str]]:
    return {name: {call["template"] for _, call in calls("", t)} for name, t in by_name.items()}


def _dags_at_the_end(spec: dict[str, Any], by_name: dict[str, Any]) -> Found:
    """When a workflow is stopped Argo calls every DAG failed at once, in the exit handler too."""
    for name in sorted(tags.reachable(_called(by_name), [spec["onExit"]] if "onExit" in spec else [])):
        if tasks_of(by_name.get(name, {})):
            yield f"spec.onExit: {name} is a DAG, which Argo gives up when the workflow is stopped; use steps"


def _cycles(by_name: dict[str, Any]) -> Found:
    """Templates that call themselves, tasks that wait for themselves."""
    graph = _called(by_name)
    yield from (f"spec.templates: {name} calls itself" for name in graph if name in tags.reachable(graph, graph[name]))
    for name, template in by_name.items():
        tasks = {task["name"]: task for task in tasks_of(template)}
        waits = {n: set(tasks_named(depends_of(t))) if depends_of(t) else set() for n, t in tasks.items()}
        for task in waits:
            if task in tags.reachable(waits, waits[task]):
                yield f"spec.templates: in {name} the task {task} waits for itself"


def _parses(path: str, parse: Any) -> Found:
    try:
        parse()
    except (ExpressionError, BadDuration) as error:
        yield f"{path}: {error}"
