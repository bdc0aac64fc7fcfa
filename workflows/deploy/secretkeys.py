"""Secrets that host tables refer to as {secret: NAME, key: KEY}: written, and never read."""

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from steps.domain.children import MEDIA_TOKEN, RUN_LABEL
from steps.domain.errors import NotFound, Refused, Unsupported
from steps.domain.outcome import mapping
from workflows.backends.argo.api import METADATA_ONLY
from workflows.defaults import VERSION
from workflows.deploy.kinds import KINDS, Manifest
from workflows.deploy.manifest import MANAGED_BY_LABEL, PART_OF, PART_OF_LABEL, VERSION_LABEL
from workflows.deploy.server import Server

MANAGED_BY = "hera-secrets"
LABELS = {PART_OF_LABEL: PART_OF, MANAGED_BY_LABEL: MANAGED_BY, VERSION_LABEL: VERSION}
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True)
class Named:
    """A Secret and its keys, without what they hold."""

    name: str
    keys: tuple[str, ...]


def check(name: str, keys: Collection[str]) -> None:
    """Raise for names that no Secret can have, and for Secrets that are not for people to set."""
    if not NAME.fullmatch(name):
        raise Unsupported(f"{name!r} is no name for a Secret", where="secrets", hint="lower-case letters, digits, '-'")
    if name == MEDIA_TOKEN.name or name.endswith("-desk"):
        hint = "`hera deploy` keeps the one, each run the other; choose another name for yours"
        raise Refused("it is the media service's, or a run's own", where=name, hint=hint)
    for key in keys:
        if not KEY.fullmatch(key):
            raise Unsupported(f"{key!r} is no key of a Secret", where=name, hint="letters, digits, '.', '_' and '-'")


def set_keys(server: Server, name: str, values: Mapping[str, str]) -> None:
    """Afterwards the Secret has these values; its other keys stay."""
    check(name, values)
    change: Manifest = {"data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}}
    try:
        server.merge("Secret", name, change)
    except NotFound:
        metadata = {"name": name, "labels": LABELS}
        server.create({"apiVersion": KINDS["Secret"].api_version, "kind": "Secret", "metadata": metadata} | change)


def delete(server: Server, name: str, keys: Collection[str] = ()) -> None:
    """Delete these keys of it, or all of it. A key that is not there is as good."""
    check(name, keys)
    if keys:
        server.merge("Secret", name, {"data": dict.fromkeys(keys)})
    else:
        server.delete("Secret", name)


def named(server: Server) -> list[Named]:
    """Those of the namespace that table may refer to. What they hold does not leave the server: the keys are known
    from its notes on who has set which."""
    found = server.listed("Secret", f"!{RUN_LABEL}", accept=METADATA_ONLY)
    return [
        Named(each["metadata"]["name"], _keys(each["metadata"]))
        for each in found
        if each["metadata"]["name"] != MEDIA_TOKEN.name
    ]


def _keys(metadata: Manifest) -> tuple[str, ...]:
    keys = {
        field.removeprefix("f:")
        for manager in metadata.get("managedFields") or []
        for field in mapping(mapping(manager.get("fieldsV1")).get("f:data"))
        if field.startswith("f:")
    }
    return tuple(sorted(keys))
