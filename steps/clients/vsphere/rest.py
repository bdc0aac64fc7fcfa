"""vCenter's REST API, which alone has tags and content libraries: sessions, calls, and what its refusals mean.

Spoken at /rest, which every vCenter from 6.5 to 8 has and which tells its errors by type; the newer /api of 7 and 8 has
the same calls in other words. govmomi, and with it Packer and Terraform, speaks the same.
"""

import http.client
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

from steps.clients.vsphere.connection import ANSWER_WITHIN_S, VSphere
from steps.clients.vsphere.faults import UNREACHABLE, unreachable
from steps.clients.vsphere.files import STORED_WITHIN_S, connection_to
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable, Unsupported

ROOT = "/rest/com/vmware"
SESSION = "cis/session"
SESSION_HEADER = "vmware-api-session-id"
ENDED = 401

KINDS: Mapping[str, type[HerasphereError]] = {  # what follows "com.vmware.vapi.std.errors."
    "unauthorized": AccessDenied,
    "not_found": NotFound,
    "already_exists": Conflict,
    "resource_in_use": Conflict,
    "feature_in_use": Conflict,
    "not_allowed_in_current_state": Conflict,
    "unable_to_allocate_resource": Conflict,
    "resource_busy": Unavailable,
    "resource_inaccessible": Unavailable,
    "concurrent_change": Unavailable,
    "service_unavailable": Unavailable,
    "timed_out": Unavailable,
    "canceled": Unavailable,
    "unauthenticated": Unavailable,
}
STATUSES: Mapping[int, type[HerasphereError]] = {
    401: Unavailable, 403: AccessDenied, 404: NotFound, 409: Conflict, 429: Unavailable, 507: Conflict,
}  # fmt: skip
HINTS: Mapping[type[HerasphereError], str] = {
    AccessDenied: "give this user the privilege (docs/image-privileges.md)",
    NotFound: "somebody else may have removed it; start again",
    Conflict: "look at it in vCenter",
    Unavailable: "it is tried again",
    Unsupported: "see vCenter's events",
}


class Rest:
    """A session of the REST API. Made by `session`; for one thread."""

    def __init__(self, vsphere: VSphere) -> None:
        self.where = f"the REST API of {vsphere.where}"
        self._vsphere = vsphere
        self._connection = connection_to(vsphere)
        self._session = ""

    def call(
        self, method: str, path: str, body: Any = None, *, action: str = "", within_s: float = ANSWER_WITHIN_S,
        **query: str,
    ) -> Any:  # fmt: skip
        """The value of the answer; None if it has none. A session that has ended is opened again, once.

        path: below com/vmware; action: what stands behind ~action=
        Raises Unavailable, NotFound, Conflict, AccessDenied or Unsupported, by the error's type.
        """
        words = ({"~action": action} if action else {}) | query
        target = f"{ROOT}/{quote(path, safe='/:')}" + (f"?{urlencode(words, safe='~')}" if words else "")
        text = None if body is None else json.dumps(body)
        status, answer = self._asked(method, target, text, {SESSION_HEADER: self._session}, within_s)
        if status == ENDED:
            self.login()
            status, answer = self._asked(method, target, text, {SESSION_HEADER: self._session}, within_s)
        if status >= 300:
            raise error_of(status, answer, self.where)
        return answer.get("value") if isinstance(answer, dict) else None

    def login(self) -> None:
        """A new session is there; AccessDenied if the user name or password is wrong."""
        name = b64encode(":".join(self._vsphere.credentials).encode()).decode()
        status, answer = self._asked(
            "POST", f"{ROOT}/{SESSION}", None, {"Authorization": f"Basic {name}"}, ANSWER_WITHIN_S
        )
        if status == ENDED:
            hint = "check username and password; several wrong ones lock the account"
            raise AccessDenied("vCenter does not accept the user name or password", where=self.where, hint=hint)
        if status == 404:
            raise Unsupported("there is no REST API", where=self.where, hint="it needs a vCenter, 6.5 or later")
        if status >= 300 or not isinstance(answer, dict):
            raise error_of(status, answer, self.where)
        self._session = str(answer.get("value", ""))

    def send(self, target: str, content: Iterable[bytes], length_bytes: int) -> None:
        """The content is at this path of the vCenter, all of it in one PUT, on a connection of its own."""
        self.close()  # it would stand idle for as long as this takes, and be closed by vCenter
        connection = connection_to(self._vsphere)
        try:
            connection.putrequest("PUT", target)
            connection.putheader(SESSION_HEADER, self._session)
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Content-Length", str(length_bytes))
            connection.endheaders()
            for piece in content:
                try:
                    connection.send(piece)
                except (BrokenPipeError, ConnectionResetError):
                    break  # it has answered already, and not with success
            if connection.sock is not None:
                connection.sock.settimeout(STORED_WITHIN_S)
            answer = connection.getresponse()
            status, said = answer.status, _read(answer)
        except UNREACHABLE as error:
            raise unreachable(error, self.where) from error
        finally:
            connection.close()
        if status >= 300:
            raise error_of(status, said, self.where)

    def logout(self) -> None:
        """The session has ended, as far as vCenter can be reached."""
        with suppress(HerasphereError):
            self._asked("DELETE", f"{ROOT}/{SESSION}", None, {SESSION_HEADER: self._session}, ANSWER_WITHIN_S)
        self.close()

    def close(self) -> None:
        """The connection is closed; the next call opens one."""
        self._connection.close()

    def _asked(
        self, method: str, target: str, text: str | None, headers: Mapping[str, str], within_s: float
    ) -> tuple[int, Any]:
        """Status and what the answer holds."""
        given = {"Accept": "application/json", **headers} | (
            {} if text is None else {"Content-Type": "application/json"}
        )
        try:
            if self._connection.sock is not None:
                self._connection.sock.settimeout(within_s)
            self._connection.timeout = within_s
            self._connection.request(method, target, text, given)
            answer = self._connection.getresponse()
            return answer.status, _read(answer)
        except UNREACHABLE as error:
            self.close()
            raise unreachable(error, self.where) from error


@contextmanager
def session(vsphere: VSphere) -> Iterator[Rest]:
    """The REST API with a session of its own, which ends with the context."""
    rest = Rest(vsphere)
    try:
        rest.login()
        yield rest
    finally:
        rest.logout()


def error_of(status: int, answer: Any, where: str) -> HerasphereError:
    """What a refusal is: by its type, and where it has none by the status. status: 0 inside an answer that is well"""
    answer = answer if isinstance(answer, dict) else {}
    value = answer.get("value")
    kind = str(answer.get("type") or answer.get("error_type") or answer.get("@class") or "").rpartition(".")[2].lower()
    said = messages(value if isinstance(value, dict) else answer)
    made = KINDS.get(kind) or STATUSES.get(status) or (Unavailable if status >= 500 else Unsupported)
    named = ", ".join(filter(None, (f"HTTP {status}" if status else "", kind, said)))
    return made(f"vCenter refuses ({named})", where=where, hint=HINTS[made])


def messages(value: Mapping[str, Any]) -> str:
    """The texts of an error, in English as vCenter has them by default."""
    texts = [each.get("default_message", "") for each in value.get("messages") or ()]
    return " ".join(filter(None, texts))


def _read(answer: http.client.HTTPResponse) -> Any:
    """What the JSON holds; None if it is none."""
    data = answer.read()
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None
