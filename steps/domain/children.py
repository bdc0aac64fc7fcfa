"""The workflow of one host, as the rollout asks an engine for it."""

import json
import re
from collections.abc import Iterable
from typing import Any

from steps.domain.host import DESK_SECRET, Host, SecretRef

RUN_LABEL = "herasphere/run"
HOST_LABEL = "herasphere/host"
INSTALL_HOST = "install-host"
MEDIA_TOKEN = SecretRef(name="herasphere-media", key="token")
SECRETS_VOLUME = "secrets"
CLEAN_UP = "clean-up"  # the template of install-host that leaves nothing of a run at the host's BMC
ROLLOUT_ACCOUNT = "herasphere-rollout"  # may create, list and stop Workflows; all other steps may not


def child_of(host: Host, *, run: str, uid: str, media: str, desk: str, reinstall: bool) -> dict[str, Any]:
    """A Workflow manifest that installs this host by the install-host template.

    Its name is the same for the same run and host, so that a rollout which runs twice cannot start a host twice.
    uid: of the workflow it belongs to and is deleted with
    desk: name of the Secret that holds what the desk's references meant; empty: it has the name in the references
    """
    child = _workflow(host, run=run, of_run=run, media=media, desk=desk, reinstall=reinstall)
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": run, "uid": uid}
    return child | {"metadata": child["metadata"] | {"ownerReferences": [owner]}}


def clean_up_of(host: Host, *, run: str, of_run: str, media: str, desk: str) -> dict[str, Any]:
    """A Workflow manifest that does for this host what `of_run` could not do: its clean-up.

    run: whose child it is
    """
    child = _workflow(host, run=run, of_run=of_run, media=media, desk=desk, reinstall=False)
    return child | {"spec": child["spec"] | {"entrypoint": CLEAN_UP}}


def _workflow(host: Host, *, run: str, of_run: str, media: str, desk: str, reinstall: bool) -> dict[str, Any]:
    parameters = {
        "host": host.model_dump_json(),
        "lock": re.sub(r"[^a-z0-9]+", "-", host.serial.lower()),
        "run": of_run,
        "media": media,
        "desk": desk,
        "reinstall": json.dumps(reinstall),
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": f"{run}-{host.name}",
            "labels": {RUN_LABEL: run, HOST_LABEL: host.name},
        },
        "spec": {
            "workflowTemplateRef": {"name": INSTALL_HOST},
            "arguments": {"parameters": [{"name": name, "value": value} for name, value in parameters.items()]},
            "volumes": [secrets_volume([*secrets_of(host), MEDIA_TOKEN], desk=desk)],
        },
    }


def secrets_of(host: Host) -> list[SecretRef]:
    """References to every secret the host's steps read."""
    refs = (host.bmc.password, host.root_password, host.bmc.ca)
    return [ref for ref in refs if ref is not None]


def secrets_volume(refs: Iterable[SecretRef], *, desk: str = "") -> dict[str, Any]:
    """The volume of just these keys, each at <name>/<key>: a host's pods see no other host's password.

    desk: the Secret in which a run keeps what env: and file: references meant at its desk
    """
    sources = [
        {
            "secret": {
                "name": desk or name if name == DESK_SECRET else name,
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
