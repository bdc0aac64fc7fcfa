"""Bring objects to a cluster by server-side apply: again and again without harm, and what was there before is told."""

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from steps.clients.kube import Kube
from steps.domain.children import MEDIA_TOKEN
from steps.domain.errors import Conflict, NotFound
from workflows.deploy.kinds import KINDS, Manifest
from workflows.deploy.manifest import OURS, manifest
from workflows.deploy.settings import Settings

MANAGER = "herasphere"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
Done = Literal["created", "changed", "unchanged", "removed"]

# What holds data is never removed.
KEPT = ("Namespace", "PersistentVolumeClaim", "Secret")


@dataclass(frozen=True)
class Change:
    """What became of one object."""

    kind: str
    name: str
    done: Done


def apply(
    kube: Kube, objects: Iterable[Manifest], *, take_over: bool = False, dry_run: bool = False
) -> Iterator[Change]:
    """Apply each object in turn. Conflict when somebody else has set one of our fields; take_over: ours win."""
    query = {"fieldManager": MANAGER, "force": "true" if take_over else "false"}
    query |= {"dryRun": "All"} if dry_run else {}
    for each in objects:
        kind, name = each["kind"], each["metadata"]["name"]
        path = KINDS[kind].path(each["metadata"].get("namespace", ""), name)
        before = _version(kube, path)
        try:
            after = kube.call("PATCH", path, body=json.dumps(each), query=query, content_type=APPLY)
        except Conflict as error:
            error.hint = "somebody else changed these fields: --take-over sets them as they are to be"
            raise
        done: Done = "created" if before is None else "changed"
        yield Change(kind, name, "unchanged" if after["metadata"]["resourceVersion"] == before else done)


def ensure_token(kube: Kube, settings: Settings, *, dry_run: bool = False) -> Change:
    """Afterwards the Secret with the media service's token is there; one that is there is left as it is."""
    path = KINDS["Secret"].path(settings.namespace)
    if _version(kube, f"{path}/{MEDIA_TOKEN.name}") is not None:
        return Change("Secret", MEDIA_TOKEN.name, "unchanged")
    secret = manifest("Secret", MEDIA_TOKEN.name, settings, stringData={MEDIA_TOKEN.key: secrets.token_urlsafe(32)})
    with suppress(Conflict):  # somebody else deploys at the same time, and was first
        kube.call("POST", path, body=secret, query={"dryRun": "All"} if dry_run else {})
    return Change("Secret", MEDIA_TOKEN.name, "created")


def left_over(kube: Kube, settings: Settings, wanted: Iterable[Manifest]) -> list[Change]:
    """Objects of ours that an earlier version left and this one does not have; what holds data is not among them."""
    keep = {(each["kind"], each["metadata"]["name"]) for each in wanted}
    found = [
        Change(kind, item["metadata"]["name"], "removed")
        for kind in KINDS
        if kind not in KEPT
        for item in _ours(kube, kind, settings.namespace)
    ]
    return [each for each in found if (each.kind, each.name) not in keep]


def remove(kube: Kube, settings: Settings, changes: Iterable[Change]) -> None:
    """Delete these objects; one that is gone already is as good."""
    for change in changes:
        with suppress(NotFound):
            kube.call("DELETE", KINDS[change.kind].path(settings.namespace, change.name))


def _ours(kube: Kube, kind: str, namespace: str) -> list[dict[str, Any]]:
    """Those which a deployment made: schedules and runs of people carry another manager, or none."""
    found: list[dict[str, Any]] = kube.call("GET", KINDS[kind].path(namespace), query={"labelSelector": OURS})["items"]
    return found


def _version(kube: Kube, path: str) -> str | None:
    """The object's resourceVersion; None when it is not there."""
    try:
        return str(kube.call("GET", path)["metadata"]["resourceVersion"])
    except NotFound:
        return None
