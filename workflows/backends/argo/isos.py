"""The ISOs that a run on the cluster will find."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from steps.domain.errors import Unsupported
from steps.domain.host import Iso
from steps.domain.plan import InstallPlan, digest_of
from workflows.backends.argo.backend import Backend


@contextmanager
def isos_of(backend: Backend, *, elsewhere: bool = False) -> Iterator[Callable[[str], Iso]]:
    """How to ask for the ISO of a name, while the context lasts: NotFound where the media service has none.

    Behind an Argo server nobody can be asked, nor for another media service (elsewhere): the ISO is not known then,
    and left to the run's first step.
    """
    try:
        media = None if elsewhere else backend.media()
    except Unsupported:
        media = None
    if media is None:
        yield unknown
        return
    with media:
        media.isos()  # a service that does not answer is no fault of the table
        yield media.iso


def unknown(name: str) -> Iso:
    """An ISO of which the name alone is known."""
    return Iso(sha256="", name=name, size_bytes=0, version="?", build="?")


def approved(plan: InstallPlan) -> str:
    """What names the plan that was confirmed; empty if an ISO is not known: the run's own plan says more then."""
    return digest_of(plan) if all(host.iso.sha256 for host in plan.hosts) else ""
