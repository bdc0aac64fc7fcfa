"""What the parts of a manifest are called, in one place: read-only views on its dicts."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from steps.domain.errors import NotFound
from workflows.backends.local.templating import text_of

Manifest: TypeAlias = dict[str, Any]

SECRETS_PATH = "/run/herasphere/secrets"
OUTPUTS_VARIABLE = "hera__outputs_directory"
OUTPUTS_PATH = "/tmp/hera-outputs"
RUNNER = ["-m", "hera.workflows.runner", "-e"]


def entrypoint_of(script: Manifest) -> str:
    """module:function that Hera's runner calls."""
    return str(script["args"][len(RUNNER)])


def variables_of(script: Manifest) -> dict[str, str]:
    return {each["name"]: text_of(each.get("value", "")) for each in script.get("env") or []}


def outputs_root(script: Manifest) -> str:
    """The folder below which a script writes its output parameters, as the manifest has it."""
    return variables_of(script).get(OUTPUTS_VARIABLE, OUTPUTS_PATH).rstrip("/")


def inputs_of(template: Manifest) -> list[Manifest]:
    return (template.get("inputs") or {}).get("parameters") or []


def outputs_of(template: Manifest) -> list[Manifest]:
    return (template.get("outputs") or {}).get("parameters") or []


def arguments_of(call: Manifest) -> list[Manifest]:
    """Of a step, a task or a Workflow's spec."""
    return (call.get("arguments") or {}).get("parameters") or []


def tasks_of(template: Manifest) -> list[Manifest]:
    return (template.get("dag") or {}).get("tasks") or []


def calls(path: str, template: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Every step or task of a template with its path."""
    for g, group in enumerate(template.get("steps") or []):
        yield from ((f"{path}.steps[{g}][{s}]", step) for s, step in enumerate(group))
    for t, task in enumerate(tasks_of(template)):
        yield f"{path}.dag.tasks[{t}]", task


def depends_of(task: Manifest) -> str:
    """A task's condition, empty without one; a list of dependencies means all of them."""
    return str(task.get("depends") or " && ".join(task.get("dependencies") or []))


def fans_out(call: Manifest) -> bool:
    return "withItems" in call or "withParam" in call


def modules_of(manifests: list[Manifest]) -> list[str]:
    """The modules of all steps, to be imported once before they are needed."""
    scripts = [t["script"] for m in manifests for t in m["spec"].get("templates") or [] if "script" in t]
    return list(dict.fromkeys(entrypoint_of(script).split(":")[0] for script in scripts))


def resolved(manifest: Manifest, templates: Mapping[str, Manifest]) -> Manifest:
    """The Workflow with what its workflowTemplateRef provides; its own arguments and volumes win."""
    spec = copy.deepcopy(manifest["spec"])
    reference = spec.pop("workflowTemplateRef", None)
    if reference is not None:
        name = reference["name"]
        if name not in templates:
            raise NotFound(
                f"there is no WorkflowTemplate {name}",
                where=f"Workflow {manifest['metadata'].get('name', '?')}",
                hint=f"the engine was given: {', '.join(sorted(templates)) or 'none'}",
            )
        base = copy.deepcopy(templates[name]["spec"])
        parameters = _merged(arguments_of(base), arguments_of(spec))
        volumes = _merged(base.get("volumes") or [], spec.pop("volumes", None) or [])
        spec.pop("arguments", None)
        spec = base | spec | {"arguments": {"parameters": parameters}, "volumes": volumes}
    return manifest | {"spec": spec}


def _merged(base: list[Manifest], own: list[Manifest]) -> list[Manifest]:
    """By name: a parameter keeps what only the template says of it, a volume is replaced whole."""
    by_name = {each["name"]: each for each in base}
    for each in own:
        known = by_name.get(each["name"], {})
        by_name[each["name"]] = known | each if "value" in each else each
    return list(by_name.values())
