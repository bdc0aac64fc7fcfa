"""Every workflow there is, by name, as the WorkflowTemplate that is deployed and as the Workflow that refers to it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from hera.workflows import WorkflowTemplate

from steps.domain.children import MEDIA_TOKEN, RUN_LABEL, secrets_volume
from steps.domain.host import SecretRef
from workflows.build_appliance import build_appliance
from workflows.build_image import build_image
from workflows.install_host import install_host
from workflows.install_hosts import install_hosts
from workflows.release import release
from workflows.sweep import sweep

CATALOG: Mapping[str, Callable[[], WorkflowTemplate]] = {
    "build-image": build_image,
    "build-appliance": build_appliance,
    "install-host": install_host,
    "install-hosts": install_hosts,
    "release": release,
    "sweep": sweep,
}


def template(name: str) -> dict[str, Any]:
    """The built manifest of a WorkflowTemplate."""
    built: dict[str, Any] = CATALOG[name]().to_dict()
    return built


def workflow(
    name: str,
    *,
    run: str,
    parameters: Mapping[str, str] | None = None,
    secrets: Iterable[SecretRef] = (),
    desk: str = "",
) -> dict[str, Any]:
    """The manifest of a Workflow that runs a template; its steps may read these secrets.

    run:  the Workflow's name
    desk: name of the Secret that keeps what env: and file: references meant at the desk
    """
    arguments = [{"name": key, "value": value} for key, value in (parameters or {}).items()]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": run, "labels": {RUN_LABEL: run}},
        "spec": {
            "workflowTemplateRef": {"name": name},
            "arguments": {"parameters": arguments},
            "volumes": [secrets_volume([*secrets, MEDIA_TOKEN], desk=desk)],
        },
    }


def as_yaml(manifest: Mapping[str, Any]) -> str:
    """A manifest as people read it: its keys in their order, long texts as blocks."""
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, so that a table in a manifest stays readable."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
