"""Every workflow there is, by name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from hera.workflows import Workflow

from steps.domain.host import SecretRef
from workflows.install_host import install_host
from workflows.install_hosts import install_hosts

CATALOG: Mapping[str, Callable[[Iterable[SecretRef]], Workflow]] = {
    "install-host": install_host,
    "install-hosts": install_hosts,
}


def manifest(
    name: str, *, parameters: Mapping[str, str] | None = None, secrets: Iterable[SecretRef] = ()
) -> dict[str, Any]:
    """The built Argo manifest of a workflow, with values for its parameters; `secrets` are those its steps may read."""
    built: dict[str, Any] = CATALOG[name](secrets).to_dict()
    declared = {p["name"]: p for p in built["spec"].get("arguments", {}).get("parameters", [])}
    for parameter, value in (parameters or {}).items():
        declared[parameter]["value"] = value
    return built


def rendered(name: str, *, parameters: Mapping[str, str] | None = None, secrets: Iterable[SecretRef] = ()) -> str:
    """The manifest as YAML."""
    return yaml.dump(manifest(name, parameters=parameters, secrets=secrets), Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, so that a table in a manifest stays readable."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
