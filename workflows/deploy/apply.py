"""Bring objects to a cluster by server-side apply: again and again without harm."""

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from steps.domain.children import MEDIA_TOKEN
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unsupported
from workflows.deploy.kept import settled
from workflows.deploy.kinds import Manifest, label_of
from workflows.deploy.manifest import manifest
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

Done = Literal["created", "changed", "unchanged", "removed"]
USER_IS_DENIED = "is forbidden: User"  # any other 403 is a rule of the cluster about the object
HINTS = {
    "PersistentVolumeClaim": "a volume keeps its class and never shrinks, and few kinds can grow: "
    "--storage-class and --storage-size as they were, or leave them out",
}
BY_THE_SERVER = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


@dataclass(frozen=True)
class Change:
    """What became of one object."""

    kind: str
    name: str
    done: Done

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def rehearsed(server: Server, wanted: Iterable[Manifest], *, take_over: bool = False) -> list[Change]:
    """What applying these would change. What the API server will refuse is raised now, before anything is applied."""
    changes, is_new = [], False
    for each in wanted:
        if is_new:  # in a namespace that is not there yet nothing can be tried, and there is nothing to be in the way
            changes.append(Change(each["kind"], each["metadata"]["name"], "created"))
            continue
        changes.append(_applied(server, each, take_over=take_over, dry_run=True))
        is_new = changes[-1].kind == "Namespace" and changes[-1].done == "created"
    return changes


def apply(server: Server, wanted: Iterable[Manifest], *, take_over: bool = False) -> Iterator[Change]:
    """Apply each in turn. Conflict when somebody else has set one of our fields; take_over: ours win."""
    for each in wanted:
        yield _applied(server, each, take_over=take_over, dry_run=False)


def token(server: Server, settings: Settings) -> Change:
    """Afterwards the Secret with the media service's token is there; one that is there stays, and is not even read."""
    value = secrets.token_urlsafe(32)
    try:
        server.create(manifest("Secret", MEDIA_TOKEN.name, settings, stringData={MEDIA_TOKEN.key: value}))
    except Conflict:
        return Change("Secret", MEDIA_TOKEN.name, "unchanged")
    return Change("Secret", MEDIA_TOKEN.name, "created")


def _applied(server: Server, wanted: Manifest, *, take_over: bool, dry_run: bool) -> Change:
    kind, name = wanted["kind"], wanted["metadata"]["name"]
    before = server.get(kind, name)
    try:
        after = server.apply(settled(wanted, before), take_over=take_over, dry_run=dry_run)
    except HerasphereError as error:
        raise _told(error, wanted) from error
    if before is None:
        return Change(kind, name, "created")
    return Change(kind, name, "unchanged" if _content(before) == _content(after) else "changed")


def _content(live: Manifest) -> Any:
    """What an object says, without what the server and controllers note about it."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in BY_THE_SERVER}
    return {key: value for key, value in live.items() if key not in ("metadata", "status")} | {"metadata": metadata}


def _told(error: HerasphereError, wanted: Manifest) -> HerasphereError:
    """The API server's refusal with the thing it is about, and the next move."""
    if isinstance(error, Conflict):
        told = re.search(r"conflicts?( with .*|: .*)", error.what)
        what = f"somebody else has set fields of it: {told[1].removeprefix(': ').strip(') ') if told else error.what}"
        hint = "--take-over sets them as this version wants them; nothing else of the object is touched"
        return Conflict(what, where=label_of(wanted), hint=hint)
    if isinstance(error, NotFound):
        hint = "install Argo Workflows first: docs/deploy.md has the command"
        return NotFound(f"the cluster knows no {wanted['kind']} ({error.what})", where=label_of(wanted), hint=hint)
    if isinstance(error, AccessDenied) and USER_IS_DENIED in error.what:
        error.hint = "deploy as an administrator; `hera deploy --check` lists what this user may not do"
    elif isinstance(error, AccessDenied | Unsupported):
        error.what = error.what.partition("\n")[0]  # then comes a difference, in Go's words
        error.hint = HINTS.get(wanted["kind"], "make another choice: see `hera deploy --help`")
    error.where = label_of(wanted)
    return error
