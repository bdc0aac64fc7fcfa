"""What every object of a deployment has in common: its labels, by which people and `--prune` find it again."""

from typing import Any

from workflows.defaults import VERSION
from workflows.deploy.kinds import KINDS, Manifest
from workflows.deploy.settings import Settings

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
PART_OF_LABEL = "app.kubernetes.io/part-of"
VERSION_LABEL = "app.kubernetes.io/version"
MANAGED_BY = "hera-deploy"
PART_OF = "herasphere"
OURS = f"{PART_OF_LABEL}={PART_OF},{MANAGED_BY_LABEL}={MANAGED_BY}"  # what `hera schedule` and others made is not


def labels() -> dict[str, str]:
    """Of every object."""
    return {PART_OF_LABEL: PART_OF, MANAGED_BY_LABEL: MANAGED_BY, VERSION_LABEL: VERSION}


def manifest(kind: str, name: str, settings: Settings, **rest: Any) -> Manifest:
    """An object of this kind and name; rest: what it has besides its metadata."""
    known = KINDS[kind]
    place = {"namespace": settings.namespace} if known.is_namespaced else {}
    metadata = {"name": name, **place, "labels": labels()}
    return {"apiVersion": known.api_version, "kind": kind, "metadata": metadata, **rest}
