"""The workflow of one host, as the rollout asks an engine for it."""

import json
import re
from collections.abc import Iterable
from typing import Any

from steps.domain.host import Host, SecretRef

RUN_LABEL = "herasphere/run"
HOST_LABEL = "herasphere/host"
INSTALL_HOST = "install-host"
MEDIA_TOKEN = SecretRef(name="herasphere-media", key="token")
SECRETS_VOLUME = "secrets"


def child_of(host: Host, *, run: str, uid: str, media: str, reinstall: bool) -> dict[str, Any]:
    """A Workflow manifest that installs this host by the install-host template.

    Its name is the same for the same run and host, so that a rollout which runs twice cannot start a host twice.
    uid: of the workflow it belongs to and is deleted with
    """
    parameters = {
        "host": host.model_dump_json(),
        "lock": re.sub(r"[^a-z0-9]+", "-", host.serial.lower()),
        "run": run,
        "media": media,
        "reinstall": json.dumps(reinstall),
    }
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": run, "uid": uid}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": f"{run}-{host.name}",
            "labels": {RUN_LABEL: run, HOST_LABEL: host.name},
            "ownerReferences": [owner],
        },
        "spec": {
            "workflowTemplateRef": {"name": INSTALL_HOST},
            "arguments": {"parameters": [{"name": name, "value": value} for name, value in parameters.items()]},
            "volumes": [secrets_volume([*secrets_of(host), MEDIA_TOKEN])],
        },
    }


def secrets_of(host: Host) -> list[SecretRef]:
    """References to every secret the host's steps read."""
    refs = (host.bmc.password, host.root_password, host.bmc.ca)
    return [ref for ref in refs if ref is not None]


def secrets_volume(refs: Iterable[SecretRef]) -> dict[str, Any]:
    """The volume of just these keys, each at <name>/<key>: a host's pods see no other host's password."""
    sources = [
        {
            "secret": {
                "name": name,
                "items": [{"key": ref.key, "path": str(ref)} for ref in refs_of_name],
                "optional": True,  # else a missing one keeps the pod waiting for ever; the step itself names it
            }
        }
        for name, refs_of_name in _by_name(refs).items()
    ]
    return {"name": SECRETS_VOLUME, "projected": {"sources": sources}}


def _by_name(refs: Iterable[SecretRef]) -> dict[str, list[SecretRef]]:
    grouped: dict[str, list[SecretRef]] = {}
    for ref in sorted(set(refs), key=str):
        grouped.setdefault(ref.name, []).append(ref)
    return grouped
