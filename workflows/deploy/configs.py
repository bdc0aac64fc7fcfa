"""Files that workflows take from a named ConfigMap, so that a schedule or Argo's UI has what a desk would give."""

import re
from collections.abc import Mapping

from steps.domain.errors import Refused, Unsupported
from workflows.defaults import VERSION
from workflows.deploy.kinds import KINDS, Manifest
from workflows.deploy.manifest import MANAGED_BY_LABEL, PART_OF, PART_OF_LABEL, VERSION_LABEL
from workflows.deploy.server import Server

MANAGED_BY = "hera-config"
MANAGER = "hera-config"
LABELS = {
    PART_OF_LABEL: PART_OF,
    MANAGED_BY_LABEL: MANAGED_BY,
    VERSION_LABEL: VERSION,
    "workflows.argoproj.io/configmap-type": "Parameter",  # without it Argo lets no parameter come from a ConfigMap
}
LARGEST_BYTES = 1_000_000  # the API server takes 1 MiB, all keys and labels together
KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def push(server: Server, name: str, files: Mapping[str, str]) -> None:
    """Afterwards the ConfigMap holds these files and no others; Refused when it is somebody else's."""
    _check(name, files)
    found = server.get("ConfigMap", name)
    if found is not None and (found["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) != MANAGED_BY:
        hint = "choose another name; `hera config list` shows those which are ours"
        raise Refused("there is a ConfigMap of this name that `hera config` did not make", where=name, hint=hint)
    made: Manifest = {
        "apiVersion": KINDS["ConfigMap"].api_version,
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": LABELS},
        "data": dict(files),
    }
    server.apply(made, manager=MANAGER, take_over=True)


def pushed(server: Server) -> list[Manifest]:
    """The ConfigMaps that `push` made."""
    return server.listed("ConfigMap", f"{PART_OF_LABEL}={PART_OF},{MANAGED_BY_LABEL}={MANAGED_BY}")


def _check(name: str, files: Mapping[str, str]) -> None:
    if not NAME.fullmatch(name):
        hint = "lower-case letters, digits, '-' and '.'"
        raise Unsupported(f"{name!r} is no name for a ConfigMap", where="config push", hint=hint)
    for key in files:
        if not KEY.fullmatch(key):
            hint = "rename the file: letters, digits, '.', '_' and '-'"
            raise Unsupported(f"{key!r} cannot be a key of a ConfigMap", where=name, hint=hint)
    size = sum(len(text.encode()) for text in files.values())
    if size > LARGEST_BYTES:
        hint = "big files belong to the media service or their target"
        raise Unsupported(f"{size >> 10} KiB do not fit into a ConfigMap", where=name, hint=hint)
