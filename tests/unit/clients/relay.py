"""A relay before an HTTP server that fails on request. Signed requests pass, as their Host stays what it was."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Relay(BaseHTTPRequestHandler):
    """Hands requests on as they are; `fails` says what happens instead: a status, or 0 for a cut connection."""

    protocol_version = "HTTP/1.1"
    address = ""
    cut_bytes: int | None = None
    fails: Callable[[str, str], int | None]

    def _relayed(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        failure = type(self).fails(self.command, self.path)
        if failure == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if failure:
            self._answer(failure, {}, b"")
            return
        peer = http.client.HTTPConnection(self.address, timeout=30)
        peer.request(self.command, self.path, body, dict(self.headers.items()))
        answer = peer.getresponse()
        self._answer(answer.status, dict(answer.getheaders()), answer.read())
        peer.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        kept = {name: value for name, value in headers.items() if name.lower() not in ("transfer-encoding", "date")}
        for name, value in ({"Content-Length": str(len(body))} | kept).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: self.cut_bytes])
        self.close_connection = self.cut_bytes is not None

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _relayed  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def relay(
    address: str,
    fails: Callable[[str, str], int | None],
    tls: ssl.SSLContext | None = None,
    cut_bytes: int | None = None,
) -> Iterator[str]:
    """Its URL, before the server at this address (host:port). cut_bytes: of an answer, that are all that comes"""
    words = {"address": address, "fails": staticmethod(fails), "cut_bytes": cut_bytes}
    handler = type("FailingRelay", (Relay,), words)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as peer:
        peer.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls:
            peer.socket = tls.wrap_socket(peer.socket, server_side=True)
        threading.Thread(target=peer.serve_forever, args=(0.05,), daemon=True).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{peer.server_address[1]}"
        peer.shutdown()
