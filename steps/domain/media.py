"""The media service's words: which ISOs it holds, what a host's lease shows of its installation, and what an
installer has read of the pages that its run shows it."""

import re
from typing import Literal
from urllib.parse import quote, urlsplit

from steps.domain.errors import Unsupported
from steps.domain.host import Frozen, Host, Iso, Moment

CallbackEvent = Literal["pre-ok", "pre-failed", "post-ok"]


TOKEN_HEADER = "X-Herasphere-Token"  # not Authorization: the Kubernetes API server's proxy keeps that for itself
MAX_BUNDLE_BYTES = 256 * 1024 * 1024
MAX_PAGES_BYTES = 16 * 1024 * 1024  # of all files of a set: they are kickstarts and scripts, and travel in one call


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


class Page(Frozen):
    """A file that an installer may read, and by which addresses it was read first and last; a HEAD is no reading."""

    path: str
    size_bytes: int
    first_read_at: Moment | None
    first_read_by: str
    last_read_at: Moment | None
    last_read_by: str


class Pages(Frozen):
    """The files a run shows to a guest's installer, until it ends them or their time is over. All times are the
    service's."""

    run: str
    name: str
    token: str
    base_url: str  # http, with its port, whatever that is; a page is at base_url/path
    bundle: str  # SHA-256 of the bundle they were made of, which is kept as long as they are; empty: of none
    expires_at: Moment
    now: Moment  # the service's clock when this was read
    pages: tuple[Page, ...]  # in the order of their paths

    def page(self, path: str) -> Page | None:
        """The page at this path."""
        return next((page for page in self.pages if page.path == path), None)

    def url(self, path: str) -> str:
        """Where the page of this path is read."""
        return f"{self.base_url}/{quote(path)}"


def pages_url(public_url: str, token: str) -> str:
    """Where the pages of this token are, on a media service which guests reach at this URL; Unsupported if that is no
    http URL: a boot loader has no certificates."""
    at = urlsplit(public_url)
    if at.scheme != "http" or not at.hostname:
        hint = "start the media service with an http:// URL that guests reach: --public-url URL"
        raise Unsupported(f"{public_url} is no http URL, and installers read no other", hint=hint)
    host = f"[{at.hostname}]" if ":" in at.hostname else at.hostname
    return f"http://{host}:{at.port or 80}{at.path.rstrip('/')}/p/{token}"


def http_values(base_url: str) -> tuple[str, str]:
    """What stands for HTTPIP and HTTPPort where Packer's templates say `http://{{ .HTTPIP }}:{{ .HTTPPort }}/ks.cfg`,
    so that it means the page ks.cfg of this set. The "port" brings the path with it; an IPv6 address is in brackets.
    Unsupported for a URL without a port: a template writes the colon itself.
    """
    match = re.fullmatch(r"http://([^/:@\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]+(?:/[^?#]+)?)", base_url.rstrip("/"))
    if not match:
        hint = "it is a page set's base_url"
        raise Unsupported(f"{base_url!r} is no http URL with a port", hint=hint)
    return match[1], match[2]


def check_page_path(path: str, *, where: str) -> None:
    """Raise Unsupported unless a page can be asked for by this path: what readers make shorter on the way, as "a/../b",
    would never arrive."""
    parts = path.split("/")
    if not path.isprintable() or len(path) > 500 or any(part in ("", ".", "..") for part in parts):
        hint = "names with '/' between them: no '.', no '..', no '/' at either end"
        raise Unsupported(f"{path[:80]!r} is no path of a page", where=where, hint=hint)
