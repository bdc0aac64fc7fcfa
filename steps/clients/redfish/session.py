"""A login at a BMC: one request at a time, nothing sent twice that changes something, logged out whatever happened."""

import logging
import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import sushy
import sushy.auth
import sushy.connector
import sushy.exceptions

from steps.clients.redfish.errors import translated
from steps.clients.redfish.termination import termination_held
from steps.domain.host import Bmc
from steps.domain.wait import Clock

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0  # a BMC which attaches media while it answers takes half a minute and more
_GET_PAUSES_S = (1.0, 2.0, 4.0)

# A step's stderr is JSON lines, where sushy's warnings of what it works around would be noise
logging.getLogger("sushy").addHandler(logging.NullHandler())


class OneAtATime(sushy.connector.Connector):  # type: ignore[misc]
    """sushy's connector without its two dangers: it sends a POST once, and it speaks to no proxy.

    `refused` tells why the last change was refused, None when it was accepted (sushy swallows some refusals); `task`
    is the path of the last task that a 202 named, "" where none did (sushy drops it).
    """

    def __init__(self, url: str, *, verify: bool | str, clock: Clock, read_timeout_s: float) -> None:
        super().__init__(
            url,
            verify=verify,
            response_callback=self._note,
            server_side_retries=1,  # also counts the sendings of a POST after a time-out; 0 means three
            default_request_timeout=read_timeout_s,
            connect_timeout=CONNECT_TIMEOUT_S,
        )
        self._session.trust_env = False  # a proxy of the environment must not see BMC passwords
        self._clock = clock
        self._lock = threading.RLock()  # re-entered when sushy logs in again
        self.refused: sushy.exceptions.SushyError | None = None
        self.task = ""

    def _op(self, method: str, path: str = "", **options: Any) -> Any:
        with self._lock:
            return self._get(path, options) if method == "GET" else self._change(method, path, options)

    def _get(self, path: str, options: dict[str, Any]) -> Any:
        """A GET may be repeated: BMCs drop connections and answer 503 for moments."""
        options = {**options, "server_side_retries_left": 0}  # sushy's own repeating would multiply with ours
        for pause_s in _GET_PAUSES_S:
            try:
                return super()._op("GET", path, **options)
            except (sushy.exceptions.ConnectionError, sushy.exceptions.ServerSideError) as error:
                if isinstance(error.__context__, requests.exceptions.SSLError):
                    raise  # a certificate does not become trusted
                self._clock.sleep(pause_s * random.uniform(0.5, 1.5))
        return super()._op("GET", path, **options)

    def _change(self, method: str, path: str, options: dict[str, Any]) -> Any:
        try:
            response = super()._op(method, path, **options)
        except sushy.exceptions.HTTPError as error:
            self.refused = error
            raise
        self.refused = None
        return response

    def _note(self, response: requests.Response) -> None:
        if response.status_code == 202:
            self.task = response.headers.get("Location", "")


class OneLogin(sushy.auth.SessionOrBasicAuth):  # type: ignore[misc]
    """A Redfish session, else Basic authentication; a refused password is offered once only, as BMCs lock accounts."""

    def __init__(self, username: str, password: str) -> None:
        super().__init__(username, password)
        # requests would encode text as Latin-1
        self.basic_auth = sushy.auth.BasicAuth(username.encode(), password.encode())
        self._opened: list[str] = []

    def _do_authenticate(self) -> None:
        try:
            sushy.auth.SessionAuth._do_authenticate(self)
        except sushy.exceptions.AccessError as error:
            if error.status_code == 401:
                raise
            self._fallback_to_basic_authentication()
        except sushy.exceptions.ConnectionError:
            raise
        except sushy.exceptions.SushyError:
            self._fallback_to_basic_authentication()
        if self._session_resource_id:
            self._opened.append(self._session_resource_id)

    def close(self) -> None:
        """Log out of every session opened: sushy forgets the old one when it logs in anew after a 401 or 403.

        Nothing is raised: it must not hide the error which ended the session, and an expired one is closed too.
        """
        for session in self._opened:
            with suppress(Exception):
                self._connector._op("DELETE", session, allow_reauth=False)
        self._opened.clear()
        if self._connector is not None:  # sushy closes even what it could not make
            self.reset_session_attrs()


@contextmanager
def log_in(
    bmc: Bmc, *, password: str, ca_pem: str, clock: Clock, read_timeout_s: float, where: str
) -> Iterator[tuple[Any, OneAtATime]]:
    """sushy's root of the BMC and the connector below it; logged out and closed afterwards."""
    with ExitStack() as undo:
        undo.enter_context(termination_held())
        verify = _trust(bmc, ca_pem, undo)
        connector = OneAtATime(bmc.url, verify=verify, clock=clock, read_timeout_s=read_timeout_s)
        undo.callback(connector.close)
        auth = OneLogin(bmc.username, password)
        undo.callback(auth.close)
        with translated(where):
            root = sushy.Sushy(bmc.url, auth=auth, connector=connector)
        yield root, connector


def _trust(bmc: Bmc, ca_pem: str, undo: ExitStack) -> bool | str:
    """What requests' `verify` takes; a CA given is the only one trusted, and the host name is checked in any case."""
    if not bmc.verify_tls or not ca_pem:
        return bmc.verify_tls
    file = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="bmc-ca-")), "ca.pem")
    file.write_text(ca_pem)
    return str(file)
