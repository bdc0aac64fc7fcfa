"""The client's own part: whom it trusts, and how it tells what an answer means."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steps.clients.media import Media
from steps.domain.errors import HerasphereError, Unavailable, VerifyFailed
from tests.lab.certificates import Authority


@contextmanager
def answering(status: int, body: bytes, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Something at a URL which gives this answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_it_trusts_the_given_ca_and_no_other(tmp_path: Path) -> None:
    ours, other = Authority("ours"), Authority("other")
    with answering(200, b"[]", ours.issue("127.0.0.1", tmp_path)) as url:
        with Media(url, "token", ca_pem=ours.pem) as media:
            assert media.isos() == []
        for untrusting in ("", other.pem):
            with Media(url, "token", ca_pem=untrusting) as media, pytest.raises(VerifyFailed, match="not trusted"):
                media.isos()


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with answering(200, b"[]") as url, Media(url, "token") as media:
        assert media.isos() == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>a web page</html>"),
        (404, b"404: Not Found"),
        (500, b"{}"),
        (502, b'{"error": "HerasphereError", "what": "x"}'),
        (409, b'{"error": "Fault", "what": "x"}'),
        (409, b'{"error": "ConfigError", "what": "x"}'),
        (409, b'{"error": "os", "what": "x"}'),
        (400, b"[]"),
    ],
)
def test_what_is_no_answer_of_the_service_is_unavailable(status: int, body: bytes) -> None:
    with answering(status, body) as url, Media(url, "token") as media, pytest.raises(HerasphereError) as caught:
        media.isos()
    assert type(caught.value) is Unavailable and caught.value.hint
