"""What the commands need of a cluster with Argo; api.py and server.py are the two ways to have it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from steps.clients.media import Media

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Which:
    """Some Workflows of the namespace: by label selector, or the one of this name."""

    selector: str = ""
    name: str = ""


@dataclass(frozen=True)
class Listing:
    """Workflows as they stood at one moment; `version` is where a watch goes on from there."""

    items: list[Manifest]
    version: str


@dataclass(frozen=True)
class Change:
    """One thing a watch tells. workflow: None if only time has passed; gone: it was deleted."""

    version: str
    workflow: Manifest | None = None
    gone: bool = False


class Expired(Exception):
    """The moment from which a watch was to go on is not remembered any more: list again."""


class Workflows(Protocol):
    """Runs. Every call raises a HerasphereError when it is refused; NotFound for a name that is not there."""

    namespace: str

    def template(self, name: str) -> Manifest:
        """The WorkflowTemplate."""

    def create(self, workflow: Manifest, *, dry_run: bool = False) -> Manifest:
        """Start a Workflow, or only have the server check it; returns what the server made of it."""

    def get(self, name: str) -> Manifest:
        """The whole Workflow."""

    def listing(self, which: Which) -> Listing:
        """Whole Workflows."""

    def overview(self) -> list[Manifest]:
        """The metadata of every Workflow of the namespace, without spec and status."""

    def watch(self, which: Which, version: str) -> Iterator[Change]:
        """Changes from this version on. Ends when the server or the connection does; raises Expired."""

    def stop(self, name: str) -> None:
        """End a Workflow's steps; its exit handler still runs."""

    def resume(self, workflow: Manifest) -> None:
        """Let a Workflow go on that waits at suspend nodes."""

    def pod_log(self, workflow: str, pod: str, *, since_s: float, follow: bool) -> Iterator[str]:
        """Lines of the pod's main container, each behind its RFC 3339 time stamp and a blank.

        since_s: seconds since 1970, 0 for all; what was told in the same second comes again
        """


class Schedules(Protocol):
    """CronWorkflows."""

    namespace: str

    def create_schedule(self, schedule: Manifest, *, dry_run: bool = False) -> Manifest: ...
    def schedule(self, name: str) -> Manifest: ...
    def schedules(self) -> list[Manifest]: ...
    def suspend_schedule(self, name: str, suspended: bool) -> None: ...
    def delete_schedule(self, name: str) -> None: ...


class DeskSecrets(Protocol):
    """Secrets with what the desk's env: and file: references mean. Nobody needs the right to read them."""

    def create(self, secret: Manifest, *, dry_run: bool = False) -> None: ...
    def delete(self, name: str) -> None: ...

    def check(self, name: str) -> None:
        """NotFound unless it is there."""

    def give(self, name: str, owner: Manifest, *, first: bool) -> None:
        """Have the Secret live as long as this owner (metadata and kind of it). first: it has no owner yet."""


class Backend(Workflows, Schedules, Protocol):
    """One namespace of one cluster."""

    def secrets(self) -> DeskSecrets:
        """Refused where there is no way to them from the desk."""

    def media(self) -> Media:
        """The namespace's media service, a context manager; Unsupported where there is no way to it from the desk."""
