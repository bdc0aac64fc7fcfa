"""The media service, spoken to by steps and by the desk."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile, gettempdir
from types import TracebackType
from typing import Any, BinaryIO, Self
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
from steps.domain.media import MAX_BUNDLE_BYTES, MAX_PAGES_BYTES, TOKEN_HEADER, KeptFile, Lease, Origin, Pages

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

    def put_bundle(self, path: Path) -> str:
        """Have the service keep this bundle; returns its SHA-256. One that it has already is not sent again.
        Unsupported for one that is too large"""
        try:
            with path.open("rb") as file:
                sha256, size_bytes = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
                if size_bytes > MAX_BUNDLE_BYTES:
                    what = f"the files that the settings refer to are {size_bytes >> 20} MiB together"
                    hint = f"{MAX_BUNDLE_BYTES >> 20} MiB is the most; let the guest download what is big"
                    raise Unsupported(what, where=str(path), hint=hint)
                if not self.has_bundle(sha256):
                    file.seek(0)
                    self._call("PUT", _of_bundle(sha256), data=file, timeout=(CONNECT_S, UPLOAD_READ_S))
        except OSError as error:
            raise NotFound(f"{path} cannot be read: {error.strerror}", hint="correct the path") from error
        return sha256

    def has_bundle(self, sha256: str) -> bool:
        """Whether the service keeps it; if so, for 30 days from now on."""
        try:
            self._call("GET", f"{_of_bundle(sha256)}/size")
        except NotFound:
            return False
        return True

    @contextmanager
    def bundle(self, sha256: str) -> Iterator[BinaryIO]:
        """A bundle as a file to read from, all of it here and its hash checked before; NotFound, VerifyFailed."""
        with TemporaryFile() as file:
            digest = hashlib.sha256()
            for chunk in self._chunks(_of_bundle(sha256)):
                digest.update(chunk)
                try:
                    file.write(chunk)
                except OSError as error:
                    hint = f"make room in {gettempdir()}"
                    raise Unavailable(f"no place for bundle {sha256[:12]}: {error.strerror}", hint=hint) from error
            if digest.hexdigest() != sha256:
                hint = f"remove bundles/{sha256}.tar from the media service's folder, and start a new run"
                raise VerifyFailed(f"bundle {sha256[:12]} is damaged", where=self.url, hint=hint)
            file.seek(0)
            yield file

    def publish(self, run: str, name: str, files: Mapping[str, bytes], ttl_s: int, *, bundle: str = "") -> Pages:
        """Show these files to a guest's installer for so long, at base_url/<path>. Asked again for the same run and
        name it is the same URL with these files and no others.
        bundle: what they were made of; it is kept as long as they are"""
        size_bytes = sum(map(len, files.values()))
        if size_bytes > MAX_PAGES_BYTES:
            what = f"the pages for the installer are {size_bytes >> 20} MiB together"
            hint = f"{MAX_PAGES_BYTES >> 20} MiB is the most; let the guest download what is big"
            raise Unsupported(what, where=f"{run}/{name}", hint=hint)
        sent = [{"path": path, "content": b64encode(content).decode()} for path, content in files.items()]
        body = {"run": run, "name": name, "files": sent, "ttl_s": ttl_s, "bundle": bundle}
        return Pages.model_validate(self._call("POST", "/v1/pages", json=body))

    def pages(self, run: str, name: str) -> Pages:
        """What is shown, and who has read it so far; NotFound if it was never shown or is over."""
        return Pages.model_validate(self._call("GET", _of_pages(run, name)))

    def unpublish(self, run: str, name: str) -> None:
        """End the pages: their URLs are dead from now on, and what was in them is gone. Twice is fine, and so is never
        having shown any."""
        self._call("DELETE", _of_pages(run, name))

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
        with self._reaching():
            answer = self.session.request(method, self.url + path, **{"timeout": self.timeout_s, **how})
            body = answer.json()
        if answer.status_code >= 400:
            raise _error(body, self.url)
        return body

    def _chunks(self, path: str) -> Iterator[bytes]:
        with self._reaching(), self.session.get(self.url + path, timeout=self.timeout_s, stream=True) as answer:
            if answer.status_code >= 400:
                raise _error(answer.json(), self.url)
            yield from answer.iter_content(1 << 20)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What goes wrong on the way, as one of our errors."""
        try:
            yield
        except requests.exceptions.SSLError as error:
            hint = "give the CA that signed its certificate, or correct the URL"
            raise VerifyFailed(f"its certificate is not trusted: {error}", where=self.url, hint=hint) from error
        except requests.RequestException as error:  # an answer that is no JSON is one of these as well
            reason = type(error).__name__ if isinstance(error, requests.JSONDecodeError) else str(error)
            hint = "is it running, and reachable from here? `hera media list` asks it"
            raise Unavailable(f"the media service does not answer: {reason}", where=self.url, hint=hint) from error


def _of(run: str, host: str) -> str:
    return f"/v1/leases/{quote(run, safe='')}/{quote(host, safe='')}"


def _of_run(run: str, name: str) -> str:
    return f"/v1/runs/{quote(run, safe='')}/files/{quote(name)}"


def _of_bundle(sha256: str) -> str:
    return f"/v1/bundles/{quote(sha256, safe='')}"


def _of_pages(run: str, name: str) -> str:
    return f"/v1/pages/{quote(run, safe='')}/{quote(name, safe='')}"


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
