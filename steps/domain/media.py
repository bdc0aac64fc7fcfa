"""The media service's words: which ISOs it holds, and what a host's lease shows of its installation."""

import re
from typing import Literal

from steps.domain.errors import Unsupported
from steps.domain.host import Frozen, Host, Iso, Moment

CallbackEvent = Literal["pre-ok", "pre-failed", "post-ok"]


TOKEN_HEADER = "X-Herasphere-Token"  # not Authorization: the Kubernetes API server's proxy keeps that for itself


class Origin(Frozen):
    """Where a lease comes from, and what a clean-up needs that comes after the run.

    engine:   what ran it
    workflow: the Workflow that took the lease
    desk:     name of the Secret with what the desk's references meant, empty without one
    """

    engine: Literal["argo", "local"]
    workflow: str
    host: Host
    desk: str = ""


class KeptFile(Frozen):
    """A file that is kept of a run."""

    name: str
    size_bytes: int
    at: Moment


class Callback(Frozen):
    """One message from the installer on the host; evidence, never proof."""

    event: CallbackEvent
    text: str
    at: Moment


class Mark(Frozen):
    """A note a step left on the lease, so that a second run of the step knows what the first one did."""

    name: str
    value: str
    at: Moment


class Lease(Frozen):
    """A host's right to read its own ISO for a time, and what has been seen of its use. All times are the service's."""

    run: str
    host: str
    serial: str
    iso: Iso
    url: str  # where the BMC reads the ISO; unguessable, ends in .iso
    callback_url: str  # the installer appends /<event>?text=...
    size_bytes: int  # of the host's ISO
    expires_at: Moment
    revoked: bool
    now: Moment  # the service's clock when this was read
    bytes_served: int  # every byte sent, repeats included
    bytes_covered: int  # distinct bytes sent, counted in blocks of 64 KiB: what progress is made of
    first_read_at: Moment | None
    last_read_at: Moment | None
    kickstart_read_at: Moment | None  # first time the kickstart's own bytes were sent
    callbacks: tuple[Callback, ...]
    marks: tuple[Mark, ...]
    origin: Origin | None = None

    def mark(self, name: str) -> Mark | None:
        """The newest mark of this name."""
        return next((mark for mark in reversed(self.marks) if mark.name == name), None)


def check_iso_name(name: str, *, where: str) -> None:
    """Raise Unsupported unless an ISO of this name can be served: it stands in the URL which a BMC is given."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,150}\.iso", name, flags=re.IGNORECASE):
        hint = "letters, digits, '.', '_', '+' and '-', ending in .iso: BMCs are strict about URLs"
        raise Unsupported(f"{name!r} is no name for an ISO", where=where, hint=hint)
