"""From what a person asked for to a Workflow on the cluster, and the Secret it needs."""

import base64
import json
import random
import string
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from steps.domain.children import RUN_LABEL
from steps.domain.errors import HerasphereError, NotFound, Refused, Unavailable, Unsupported
from steps.domain.host import SecretRef
from steps.domain.model_faults import did_you_mean
from steps.domain.outcome import mapping
from workflows.backends.argo.backend import Backend, DeskSecrets, Manifest, Workflows
from workflows.catalog import workflow
from workflows.defaults import VERSION

MOST_BYTES = 120 * 1024  # Argo hands a step its parameters in an environment variable, for which Linux has 128 KiB
VERSION_LABEL = "app.kubernetes.io/version"
PART_OF = {"app.kubernetes.io/part-of": "herasphere", VERSION_LABEL: VERSION}


@dataclass(frozen=True)
class Order:
    """What is to run: a template's name, values for its parameters, and the secrets its steps may read.

    references: all of them; texts: what the env: and file: references among them mean at the desk
    """

    template: str
    parameters: Mapping[str, str]
    references: Collection[SecretRef] = ()
    texts: Mapping[SecretRef, str] = field(default_factory=dict)


def new_name(template: str) -> str:
    """A name for a run. It is a label's value as well, so it stays below 63 characters."""
    suffix = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))
    return f"{template[:50].rstrip('-.')}-{suffix}"


def desk_secret_of(name: str) -> str:
    """The Secret which keeps what the desk's references mean, of a run or a schedule."""
    return f"{name}-desk"


def found_template(workflows: Workflows, name: str) -> Manifest:
    """The WorkflowTemplate, of a version that this desk can speak to; NotFound or Refused with the way out.

    Table, parameters and the plan's digest belong together within a minor version; patches keep them.
    """
    try:
        template = workflows.template(name)
    except NotFound as error:
        error.hint = "`hera deploy` puts it there; -n names another namespace"
        raise
    deployed = str(mapping(template["metadata"].get("labels")).get(VERSION_LABEL, ""))
    if deployed.split(".")[:2] != VERSION.split(".")[:2]:
        raise Refused(
            f"the cluster's workflow template is of version {deployed or 'unknown'}, this desk is {VERSION}",
            where=name,
            hint="`hera deploy` brings the cluster to this version; or use the desk's version that fits",
        )
    return template


def declared(template: Manifest) -> dict[str, dict[str, Any]]:
    """The template's parameters by name."""
    arguments = mapping(template["spec"].get("arguments"))
    return {each["name"]: each for each in arguments.get("parameters") or []}


def check_parameters(template: Manifest, given: Mapping[str, str]) -> None:
    """Raise NotFound for a parameter or a choice that there is not, and for one that has no value.

    Unsupported for what is too large for a step.
    """
    known, name = declared(template), template["metadata"]["name"]
    for key, value in given.items():
        if key not in known:
            raise NotFound(f"there is no parameter {key!r}", where=name, hint=did_you_mean(key, list(known)))
        choices = [str(choice) for choice in known[key].get("enum") or []]
        if choices and value not in choices:
            raise NotFound(f"{value!r} is no value for {key}", where=name, hint=f"one of: {', '.join(choices)}")
    for key, each in known.items():
        if key not in given and "value" not in each and "default" not in each:
            about = str(each.get("description") or "a value")
            raise NotFound(f"the parameter {key} has no value", where=name, hint=f"-p {key}=…: {about}")
    _must_fit(name, given)


def _must_fit(template: str, given: Mapping[str, str]) -> None:
    sizes = {key: len(json.dumps(value)) for key, value in given.items()}
    if sum(sizes.values()) > MOST_BYTES:
        key = max(sizes, key=lambda each: sizes[each])
        what = f"{key} is {sizes[key] >> 10} KiB, and a step on Argo is given {MOST_BYTES >> 10} at the most"
        hint = "split it: several runs may be under way at once" if key == "table" else "make it shorter"
        raise Unsupported(what, where=template, hint=hint)


def workflow_of(order: Order, name: str) -> Manifest:
    """The Workflow for this order, under this name."""
    desk = desk_secret_of(name) if order.texts else ""
    parameters = {**order.parameters, **({"desk": desk} if desk else {})}
    made = workflow(order.template, run=name, parameters=parameters, secrets=order.references, desk=desk)
    made["metadata"]["labels"] |= PART_OF
    return made


def secret_of(name: str, texts: Mapping[SecretRef, str]) -> Manifest:
    """The Secret with what the desk's references mean, for the run or schedule of this name."""
    data = {ref.key: base64.b64encode(text.encode()).decode() for ref, text in texts.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": desk_secret_of(name), "labels": {RUN_LABEL: name} | PART_OF},
        "type": "Opaque",
        "data": data,
    }


def submit(backend: Backend, order: Order, *, dry_run: bool = False) -> Manifest:
    """Start it; returns the Workflow as the server has it. dry_run: the server only checks it."""
    made = workflow_of(order, new_name(order.template))
    if not order.texts:
        return backend.create(made, dry_run=True) if dry_run else start(backend, made)
    name = made["metadata"]["name"]
    secrets = backend.secrets()
    secrets.create(secret_of(name, order.texts), dry_run=dry_run)
    if dry_run:
        return backend.create(made, dry_run=True)
    try:
        created = start(backend, made)
    except BaseException:  # Ctrl-C as well: nothing is left behind
        with suppress(HerasphereError):
            secrets.delete(desk_secret_of(name))
        raise
    give(secrets, desk_secret_of(name), created, first=True)
    return created


def give(secrets: DeskSecrets, secret: str, run: Manifest, *, first: bool) -> None:
    """Have the Secret live as long as the run, or schedule, that has been made; where that fails, say what is left."""
    try:
        secrets.give(secret, run, first=first)
    except HerasphereError as error:
        error.hint = (
            f"{run['metadata']['name']} was made and goes on; delete the secret {secret} by hand when it is over"
        )
        raise


def start(workflows: Workflows, made: Manifest) -> Manifest:
    """Create it; when no answer came it is looked for: it may have been created all the same."""
    try:
        return workflows.create(made)
    except Unavailable:
        with suppress(HerasphereError):
            return workflows.get(made["metadata"]["name"])
        raise
