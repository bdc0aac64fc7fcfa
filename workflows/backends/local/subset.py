"""What of Argo the local engine understands: one list of fields. All else is refused before anything starts.

A path is written as in the manifest: `[]` is each element of a list, a last `*` any name, a last `**` all below.
SUPPORTED fields do here what they do on Argo. ACCEPTED fields have no meaning on one machine: images, pods' hygiene,
identity and limits that Kubernetes sets.
The rules that a list of fields cannot express (names that must exist, tags, expressions) are in rules.py.
"""

from collections.abc import Iterator
from typing import Any

from steps.domain.errors import Unsupported
from workflows.backends.local import rules


def _paths(text: str) -> frozenset[str]:
    return frozenset(text.split())


SUPPORTED = _paths(
    """
    apiVersion
    kind
    metadata.name
    metadata.generateName
    metadata.namespace
    metadata.labels.*
    metadata.annotations.*
    spec.entrypoint
    spec.onExit
    spec.parallelism
    spec.activeDeadlineSeconds
    spec.workflowTemplateRef.name
    spec.synchronization.mutexes[].name
    spec.arguments.parameters[].name
    spec.arguments.parameters[].value
    spec.arguments.parameters[].default
    spec.arguments.parameters[].enum[]
    spec.volumes[].name
    spec.volumes[].secret.secretName
    spec.volumes[].secret.optional
    spec.volumes[].secret.items[].key
    spec.volumes[].secret.items[].path
    spec.volumes[].projected.sources[].secret.name
    spec.volumes[].projected.sources[].secret.optional
    spec.volumes[].projected.sources[].secret.items[].key
    spec.volumes[].projected.sources[].secret.items[].path
    spec.templates[].name
    spec.templates[].inputs.parameters[].name
    spec.templates[].inputs.parameters[].value
    spec.templates[].inputs.parameters[].default
    spec.templates[].inputs.parameters[].enum[]
    spec.templates[].outputs.parameters[].name
    spec.templates[].outputs.parameters[].valueFrom.path
    spec.templates[].outputs.parameters[].valueFrom.parameter
    spec.templates[].outputs.parameters[].valueFrom.default
    spec.templates[].activeDeadlineSeconds
    spec.templates[].retryStrategy.limit
    spec.templates[].retryStrategy.retryPolicy
    spec.templates[].retryStrategy.expression
    spec.templates[].retryStrategy.backoff.duration
    spec.templates[].retryStrategy.backoff.factor
    spec.templates[].retryStrategy.backoff.maxDuration
    spec.templates[].retryStrategy.backoff.cap
    spec.templates[].script.source
    spec.templates[].script.command[]
    spec.templates[].script.args[]
    spec.templates[].script.env[].name
    spec.templates[].script.env[].value
    spec.templates[].script.volumeMounts[].name
    spec.templates[].script.volumeMounts[].mountPath
    spec.templates[].steps[][].name
    spec.templates[].steps[][].template
    spec.templates[].steps[][].when
    spec.templates[].steps[][].withItems.**
    spec.templates[].steps[][].withParam
    spec.templates[].steps[][].arguments.parameters[].name
    spec.templates[].steps[][].arguments.parameters[].value
    spec.templates[].suspend.**
    spec.templates[].dag.failFast
    spec.templates[].dag.tasks[].name
    spec.templates[].dag.tasks[].template
    spec.templates[].dag.tasks[].depends
    spec.templates[].dag.tasks[].dependencies[]
    spec.templates[].dag.tasks[].when
    spec.templates[].dag.tasks[].withItems.**
    spec.templates[].dag.tasks[].withParam
    spec.templates[].dag.tasks[].arguments.parameters[].name
    spec.templates[].dag.tasks[].arguments.parameters[].value
    """
)

ACCEPTED = _paths(
    """
    metadata.ownerReferences.**
    spec.workflowMetadata.**
    spec.arguments.parameters[].description
    spec.serviceAccountName
    spec.securityContext.**
    spec.podGC.**
    spec.podMetadata.**
    spec.ttlStrategy.**
    spec.volumes[].emptyDir.**
    spec.volumes[].secret.defaultMode
    spec.volumes[].projected.defaultMode
    spec.templates[].inputs.parameters[].description
    spec.templates[].outputs.parameters[].description
    spec.templates[].metadata.**
    spec.templates[].serviceAccountName
    spec.templates[].podSpecPatch
    spec.templates[].script.image
    spec.templates[].script.imagePullPolicy
    spec.templates[].script.resources.**
    spec.templates[].script.securityContext.**
    spec.templates[].script.volumeMounts[].readOnly
    """
)

FIELDS = SUPPORTED | ACCEPTED
WHOLE = frozenset(path.removesuffix(".**") for path in FIELDS if path.endswith(".**"))
LEAVES = FIELDS - {path for path in FIELDS if path.endswith(".**")}
BRANCHES = frozenset(path[:at] for path in LEAVES for at, sign in enumerate(path) if sign in ".[") - {""}


def check(manifest: dict[str, Any]) -> list[str]:
    """Every fault that keeps this Workflow or WorkflowTemplate from being run here, each with its path; empty: none."""
    faults = list(_fields(manifest, "", ""))
    return faults or rules.faults(manifest)  # rules may rely on the form being right


def refuse(manifest: dict[str, Any]) -> None:
    """Raise Unsupported, naming every fault, unless the local engine can run all of the manifest."""
    faults = check(manifest)
    if faults:
        metadata = manifest.get("metadata") or {}
        raise Unsupported(
            "; ".join(faults),
            where=f"{manifest.get('kind', 'manifest')} {metadata.get('name') or metadata.get('generateName') or '?'}",
            hint="run it on Argo (hera submit), or write it with what workflows/backends/local/subset.py lists",
        )


def _fields(value: Any, path: str, place: str) -> Iterator[str]:
    """Faults below `place`; path is the same with `[]` for every index."""
    if path in WHOLE:
        return
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _field(each, f"{path}.{key}".lstrip("."), f"{path}.*", f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _field(each, f"{path}[]", "", f"{place}[{index}]")
    elif path not in LEAVES:
        yield f"{place}: an object or a list is expected here, not {value!r}"


def _field(value: Any, path: str, wildcard: str, place: str) -> Iterator[str]:
    if value is None or wildcard in LEAVES:
        return
    if path in LEAVES and not isinstance(value, dict | list):
        return
    if path in BRANCHES or path in WHOLE:
        yield from _fields(value, path, place)
    elif path in LEAVES:
        yield f"{place}: a single value is expected here"
    else:
        yield f"{place}: the local engine does not know this field"
