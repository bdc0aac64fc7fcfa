"""The server of one emulated BMC: a socket, the request log, the faults, and the Redfish service behind them."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.lab.bmc.application import Service, problem
from tests.lab.bmc.driver import MachineDriver, Override
from tests.lab.bmc.faults import Behaviour, Fault
from tests.lab.bmc.requestlog import RequestLog
from tests.lab.bmc.sessions import Sessions
from tests.lab.machine import Machine


class Emulator:
    """A running BMC. `faults` and `behaviour` may be changed while it runs; the machine stays its owner's to close."""

    def __init__(self, service: Service, behaviour: Behaviour) -> None:
        self.log = RequestLog()
        self.faults: list[Fault] = []
        self.behaviour = behaviour
        self._service = service
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._scheme = "http"

    @property
    def url(self) -> str:
        """Scheme, host and port, as a host table has it."""
        assert self._server is not None
        return f"{self._scheme}://{self._server.host}:{self._server.port}"

    @property
    def override(self) -> Override:
        return self._service.driver.override

    @property
    def open_sessions(self) -> int:
        return len(self._service.sessions.identities)

    def expire_sessions(self) -> None:
        self._service.sessions.expire()

    def start(self, host: str, port: int, cert: Path | None, key: Path | None) -> None:
        server = make_server(host, port, self._answer, threaded=True, request_handler=_Quiet)
        if cert is not None and key is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            # The handshake in the request's own thread: a client that hangs in it must not stop the others
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            server.ssl_context = context
            self._scheme = "https"
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No longer answer; twice is fine."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The WSGI application: log, do what the fault says, obey. Answers whole, so that the log is never behind."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        with self.log.writing(method, path, environ.get("REMOTE_ADDR", ""), body) as entry:
            fault = self._fault_of(method, path)
            if fault is not None:
                _wait(fault)
                if fault.drop == "before":
                    _drop(environ)
            chunks, started = self._obey(environ, fault)
            if fault is not None and fault.drop == "after":
                _drop(environ)
            entry.status = int(started[0].split()[0])
        start_response(*started)
        return chunks

    def _obey(self, environ: dict[str, Any], fault: Fault | None) -> tuple[list[bytes], tuple[str, list[Any]]]:
        started: list[tuple[str, list[Any]]] = []

        def start_response(status: str, headers: list[Any], _: object = None, /) -> Callable[[bytes], object]:
            started.append((status, headers))
            return chunks.append

        chunks: list[bytes] = []
        refusal = problem(fault.answer, fault.message) if fault is not None and fault.answer else None
        chunks.extend((refusal or self._service.app)(environ, start_response))
        return chunks, started[-1]

    def _fault_of(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.hits(method, path):
                fault.times -= 1
                return fault
        return None


class _Quiet(WSGIRequestHandler):
    """The request log is the log."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def serve(
    machine: Machine,
    *,
    username: str,
    password: str,
    host: str = "127.0.0.1",
    port: int = 0,
    cert: Path | None = None,
    key: Path | None = None,
    behaviour: Behaviour | None = None,
    session_slots: int = 4,
    session_idle_s: float = 1800,
    basic: bool = True,
    bmc_model: str = "Contoso BMC 1",
    bmc_firmware: str = "1.0.0",
) -> Emulator:
    """A BMC of this machine, answering when this returns, in a thread of its own; close it when done.

    port 0 takes a free one. With cert and key (PEM files) it speaks TLS. Several may run in one process.
    """
    behaviour = behaviour or Behaviour()
    sessions = Sessions(username=username, password=password, slots=session_slots, idle_s=session_idle_s, basic=basic)
    driver = MachineDriver(machine, behaviour)
    emulator = Emulator(Service(driver, sessions, behaviour, model=bmc_model, firmware=bmc_firmware), behaviour)
    emulator.start(host, port, cert, key)
    return emulator


def _wait(fault: Fault) -> None:
    if fault.hold is not None:
        fault.hold.wait(60)
    time.sleep(fault.delay_s)


def _drop(environ: dict[str, Any]) -> None:
    """Close the connection without an answer."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("dropped by a fault")
