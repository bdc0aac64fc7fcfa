"""The media service, spoken to by steps and by the desk."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from steps.clients.kube import refusal
from steps.domain.errors import (
    AccessDenied,
    Conflict,
    HerasphereError,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
    VerifyFailed,
)
from steps.domain.host import Iso
from steps.domain.media import TOKEN_HEADER, KeptFile, Lease, Origin

KINDS: dict[str, type[HerasphereError]] = {
    kind.__name__: kind for kind in (AccessDenied, Conflict, NotFound, Refused, Unavailable, Unsupported, VerifyFailed)
}
CONNECT_S, READ_S = 5.0, 60.0
UPLOAD_READ_S = 600.0  # the service hashes what it was sent before it answers


class Media:
    """One session with the control API of a media service; a context manager.

    ca_pem: certificates to trust, and no others, where the API is behind TLS; empty: the well-known ones
    session: an HTTP session that is already somebody at what stands in front of the service, as the Kubernetes API
    answer_within_s: instead of READ_S
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_pem: str = "",
        session: requests.Session | None = None,
        answer_within_s: float | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = (CONNECT_S, answer_within_s or READ_S)
        self.session = session or requests.Session()
        self.closing = ExitStack()
        self.closing.callback(self.session.close)
        if ca_pem:  # requests takes certificates as a file only
            file = Path(self.closing.enter_context(TemporaryDirectory())) / "ca.pem"
            file.write_text(ca_pem)
            self.session.verify = str(file)
        self.session.trust_env = False  # a proxy of the desk's browser is not on the way to a service next door
        self.session.headers[TOKEN_HEADER] = token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.close()

    def isos(self) -> list[Iso]:
        """Every ISO the service holds."""
        return [Iso.model_validate(iso) for iso in self._call("GET", "/v1/isos")]

    def iso(self, name: str) -> Iso:
        """By file name or SHA-256; NotFound with the command that adds it."""
        return Iso.model_validate(self._call("GET", f"/v1/isos/{quote(name, safe='')}"))

    def add_iso(self, path: Path, *, upload: bool = True) -> Iso:
        """Have the service hold this ISO: by sending it, or, on the same machine, where it lies and without a copy."""
        call = f"/v1/isos/{quote(path.name, safe='')}"
        if not upload:
            return Iso.model_validate(self._call("POST", call, json={"path": str(path)}))
        try:
            with path.open("rb") as file:
                return Iso.model_validate(self._call("PUT", call, data=file, timeout=(CONNECT_S, UPLOAD_READ_S)))
        except OSError as error:
            raise NotFound(f"{path} cannot be read: {error.strerror}", hint="correct the path") from error

    def grant(
        self,
        *,
        run: str,
        host: str,
        serial: str,
        iso_sha256: str,
        kickstart: str,
        ttl_s: int,
        origin: Origin | None = None,
    ) -> Lease:
        """A URL for this host's ISO with this kickstart. Asked again for the same run and host it is the same lease;
        Conflict if the ISO was read already and the kickstart is another, or another run holds the server.
        origin: what is needed to clean up after the run if it cannot do that itself"""
        body = {"run": run, "host": host, "serial": serial, "iso_sha256": iso_sha256}
        body |= {"origin": origin.model_dump_json() if origin else ""}
        return self._lease("POST", "/v1/leases", json=body | {"kickstart": kickstart, "ttl_s": ttl_s})

    def unrevoked(self) -> list[Lease]:
        """The leases that no clean-up has ended, expired ones included."""
        return [Lease.model_validate(lease) for lease in self._call("GET", "/v1/leases/unrevoked")]

    def lease(self, *, run: str, host: str) -> Lease:
        """The lease as it stands now; NotFound if the run has none for this host."""
        return self._lease("GET", _of(run, host))

    def lease_of_url(self, url: str) -> Lease | None:
        """The lease this URL belongs to, live or not; None if it never came from this service."""
        try:
            return self._lease("GET", "/v1/leases", params={"url": url})
        except NotFound:
            return None

    def mark(self, *, run: str, host: str, name: str, value: str = "") -> Lease:
        """Leave a note on the lease."""
        return self._lease("POST", f"{_of(run, host)}/marks", json={"name": name, "value": value})

    def revoke(self, *, run: str, host: str) -> None:
        """End the lease: its URL is dead from now on. Twice is fine."""
        self._call("DELETE", _of(run, host))

    def put_file(self, run: str, name: str, text: str) -> None:
        """Keep a file of a run: its report, a step's log. One of the same name is replaced whole."""
        self._call("PUT", _of_run(run, name), data=text.encode())

    def file(self, run: str, name: str) -> str:
        """A kept file's text; NotFound."""
        return str(self._call("GET", _of_run(run, name))["text"])

    def files(self, run: str) -> list[KeptFile]:
        """What is kept of a run, by name; empty for one that is not known."""
        return [KeptFile.model_validate(file) for file in self._call("GET", f"/v1/runs/{quote(run, safe='')}")]

    def runs(self) -> list[str]:
        """Every run of which something is kept, the newest first."""
        return [str(run) for run in self._call("GET", "/v1/runs")]

    def forget_runs(self, *, older_than_s: float) -> list[str]:
        """Drop what is kept of runs that ended so long ago; returns their names."""
        return [str(run) for run in self._call("DELETE", "/v1/runs", params={"older_than_s": older_than_s})]

    def _lease(self, method: str, path: str, **how: Any) -> Lease:
        return Lease.model_validate(self._call(method, path, **how))

    def _call(self, method: str, path: str, **how: Any) -> Any:
        try:
            answer = self.session.request(method, self.url + path, **{"timeout": self.timeout_s, **how})
            body = answer.json()
        except requests.exceptions.SSLError as error:
            hint = "give the CA that signed its certificate, or correct the URL"
            raise VerifyFailed(f"its certificate is not trusted: {error}", where=self.url, hint=hint) from error
        except requests.RequestException as error:  # an answer that is no JSON is one of these as well
            reason = type(error).__name__ if isinstance(error, requests.JSONDecodeError) else str(error)
            hint = "is it running, and reachable from here? `hera media list` asks it"
            raise Unavailable(f"the media service does not answer: {reason}", where=self.url, hint=hint) from error
        if answer.status_code >= 400:
            raise _error(body, self.url)
        return body


def _of(run: str, host: str) -> str:
    return f"/v1/leases/{quote(run, safe='')}/{quote(host, safe='')}"


def _of_run(run: str, name: str) -> str:
    return f"/v1/runs/{quote(run, safe='')}/files/{quote(name)}"


def _error(body: Any, url: str) -> HerasphereError:
    """The service's error as the same class it was raised with."""
    if isinstance(body, dict) and body.get("kind") == "Status":  # the Kubernetes API in front of it
        return refusal(int(body.get("code") or 503), str(body.get("message", "")), "reach the media service")
    kind = KINDS.get(str(body.get("error"))) if isinstance(body, dict) else None
    if kind is None or "what" not in body:
        return Unavailable(f"the media service answers {body!r}", where=url, hint="is it one, of this version?")
    if kind is AccessDenied:
        hint = "set HERASPHERE_MEDIA_TOKEN to the token in the service's folder"
        return AccessDenied(body["what"], where=url, hint=hint)
    return kind(
        body["what"], where=str(body.get("where", "")), hint=str(body.get("hint") or "see the media service's log")
    )
