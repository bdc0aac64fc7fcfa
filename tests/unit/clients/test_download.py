"""A file from a server that breaks off, forgets, changes its mind or lies: it comes as it is, or the reason is told."""

import gzip
import hashlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from steps.clients import download
from steps.clients.download import BREAKS_IN_A_ROW, MOST_BREAKS, PAUSE_S, Chunks, opened
from steps.domain.errors import NotFound, Unavailable, Unsupported, VerifyFailed
from tests.lab.certificates import Authority

FILE = hashlib.shake_128(b"file").digest(100_000)
OTHER = hashlib.shake_128(b"other").digest(100_000)
Headers = dict[str, str]


@dataclass
class Answer:
    """What the server does with one request.

    cut:     after so many bytes of the body the connection is closed; reset: it is torn down
    ranges:  whether it knows Range and If-Range
    headers: besides or instead of its own; empty: without that one
    """

    content: bytes = FILE
    status: int = 0
    cut: int | None = None
    reset: bool = False
    ranges: bool = True
    headers: Headers = field(default_factory=lambda: {"ETag": '"one"'})
    stalls: bool = False


@dataclass
class Server:
    """answers: to each request in its order; the last one to all that follow"""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    asked: list[Headers] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def ranges(self) -> list[str]:
        return [headers.get("Range", "") for headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    server_of: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        made = self.server_of
        made.asked.append(dict(self.headers))
        answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        is_same = condition is None or condition in (answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
        start = int(asked[1]) if asked and answer.ranges and is_same else None
        body = answer.content[start or 0 :]
        size = len(answer.content)
        headers = {"Content-Length": str(len(body)), "Connection": "close"}
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.send_response(answer.status or (200 if start is None else 206))
        for key, value in (headers | answer.headers).items():
            if value:
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[: answer.cut])
        if answer.stalls:
            made.done.wait(60)
        if answer.reset:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(made: Server, wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain) -> Iterator[Server]:
    handler = type("Answering", (Handler,), {"server_of": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = wrap(server.socket)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who was cut off
        made.url = f"http://127.0.0.1:{server.server_address[1]}/linux.iso"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            made.done.set()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks as small as the file, and no proxy in between."""
    monkeypatch.setattr(download, "CHUNK_BYTES", 1000)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as made:
        yield made


class Clock:
    """Sleeps at once, and remembers."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def fetched(url: str, clock: Clock | None = None) -> bytes:
    with opened(url, clock=clock or Clock()) as source:
        content = b"".join(source.chunks())
        assert len(content) == source.size_bytes
    return content


@pytest.mark.parametrize("content", [FILE, b"x", b"", FILE[:1000], FILE[:1001]], ids=len)
def test_a_whole_file(server: Server, content: bytes) -> None:
    server.answers = [Answer(content)]
    assert fetched(server.url) == content
    assert server.ranges == [""] and server.asked[0]["Accept-Encoding"] == "identity"


def test_nothing_of_it_is_asked_for_before_its_size_is_known(server: Server) -> None:
    with opened(server.url) as source:
        assert source.size_bytes == len(FILE)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "torn down"])
def test_it_goes_on_where_the_connection_broke(server: Server, reset: bool) -> None:
    server.answers = [Answer(cut=40_500, reset=reset), Answer(cut=20_000, reset=reset), Answer()]
    clock = Clock()
    assert fetched(server.url, clock) == FILE
    first, second, third = (int(each.removeprefix("bytes=").rstrip("-") or 0) for each in server.ranges)
    assert first == 0 < second <= 40_500 < third <= 60_500
    assert reset or second > 39_000
    assert [headers.get("If-Range") for headers in server.asked] == [None, '"one"', '"one"']
    assert clock.slept == [PAUSE_S, PAUSE_S]


def test_a_server_that_stalls_is_asked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "IDLE_S", 0.1)
    server.answers = [Answer(cut=5000, stalls=True), Answer()]
    assert fetched(server.url) == FILE


def test_a_server_that_cannot_just_now_is_asked_again(server: Server) -> None:
    server.answers = [Answer(cut=5000), Answer(status=503), Answer(status=404), Answer(status=429), Answer()]
    clock = Clock()
    assert fetched(server.url, clock) == FILE
    assert server.ranges == ["", *["bytes=5000-"] * 4] and len(clock.slept) == 4


def test_a_server_that_is_gone_for_good() -> None:
    clock = Clock()
    with ExitStack() as stack:
        server = stack.enter_context(serving(Server(answers=[Answer(cut=5000)])))
        with opened(server.url, clock=clock) as source:
            chunks = source.chunks()
            assert next(chunks) == FILE[:1000]
            stack.close()
            with pytest.raises(Unavailable, match="the download broke off") as caught:
                list(chunks)
    assert caught.value.where == server.url
    assert len(clock.slept) == BREAKS_IN_A_ROW - 1


def test_a_connection_that_breaks_with_nothing_in_between(server: Server) -> None:
    server.answers = [Answer(cut=5000), Answer(cut=0)]
    with pytest.raises(Unavailable, match="the download broke off"):
        fetched(server.url)
    assert server.ranges == ["", *["bytes=5000-"] * (BREAKS_IN_A_ROW - 1)]


def test_a_connection_that_breaks_again_and_again(server: Server) -> None:
    server.answers = [Answer(cut=1000)]
    with pytest.raises(Unavailable, match="the download broke off"):
        fetched(server.url)
    assert server.ranges == ["", *[f"bytes={number}000-" for number in range(1, MOST_BREAKS)]]


def test_as_many_breaks_as_there_may_be(server: Server) -> None:
    server.answers = [*[Answer(cut=1000) for _ in range(MOST_BREAKS - 1)], Answer()]
    assert fetched(server.url) == FILE


@pytest.mark.parametrize(
    "headers", [{}, {"ETag": '"one"'}, {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}], ids=str
)
def test_a_server_that_knows_no_ranges(server: Server, headers: Headers) -> None:
    server.answers = [Answer(cut=5000, headers=headers), Answer(ranges=False, headers=headers)]
    with pytest.raises(VerifyFailed, match="cannot go on") as caught:
        fetched(server.url)
    assert caught.value.where == server.url and "mirror" in caught.value.hint


def test_a_server_that_knows_no_ranges_begins_anew_while_nothing_has_come(server: Server) -> None:
    server.answers = [Answer(cut=0), Answer(ranges=False)]
    assert fetched(server.url) == FILE


def test_nothing_has_come_and_the_file_is_another(server: Server) -> None:
    server.answers = [Answer(cut=0), Answer(OTHER, headers={"ETag": '"two"'})]
    with pytest.raises(VerifyFailed, match="cannot go on"):
        fetched(server.url)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"one"'}, {"ETag": '"two"'}),
        ({"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}, {"Last-Modified": "Fri, 02 Jan 2026 00:00:00 GMT"}),
    ],
    ids=["ETag", "Last-Modified"],
)
def test_a_file_that_changes_meanwhile(server: Server, before: Headers, after: Headers) -> None:
    server.answers = [Answer(cut=5000, headers=before), Answer(OTHER, headers=after)]
    with pytest.raises(VerifyFailed, match="cannot go on"):
        fetched(server.url)


def test_a_file_that_grows_meanwhile_and_nothing_says_so(server: Server) -> None:
    server.answers = [Answer(cut=5000, headers={}), Answer(OTHER + b"x", headers={})]
    with pytest.raises(VerifyFailed, match="cannot go on"):
        fetched(server.url)


@pytest.mark.parametrize("told", ["bytes 0-99999/100000", "bytes 5001-99999/100000", "bytes 5000-9999/100000"])
def test_a_server_that_sends_another_part(server: Server, told: str) -> None:
    server.answers = [Answer(cut=5000), Answer(headers={"ETag": '"one"', "Content-Range": told})]
    with pytest.raises(VerifyFailed, match="cannot go on"):
        fetched(server.url)


@pytest.mark.parametrize("told", ["bytes 5000-99999/*", ""])
def test_a_server_that_does_not_tell_all_of_the_part(server: Server, told: str) -> None:
    server.answers = [Answer(cut=5000), Answer(headers={"ETag": '"one"', "Content-Range": told})]
    assert fetched(server.url) == FILE


def test_a_weak_tag_is_no_condition(server: Server) -> None:
    """A server must not take one for a match, and sent all of it again."""
    date = "Thu, 01 Jan 2026 00:00:00 GMT"
    server.answers = [Answer(cut=5000, headers={"ETag": 'W/"one"', "Last-Modified": date})] * 2 + [Answer()]
    server.answers[1] = Answer(headers=server.answers[0].headers)
    assert fetched(server.url) == FILE
    assert server.asked[1]["If-Range"] == date


def test_without_a_date_or_a_tag_there_is_no_condition(server: Server) -> None:
    server.answers = [Answer(cut=5000, headers={}), Answer(headers={})]
    assert fetched(server.url) == FILE
    assert "If-Range" not in server.asked[1]


def test_a_server_that_packs_what_it_was_not_asked_to(server: Server) -> None:
    packed = gzip.compress(bytes(5000))
    server.answers = [Answer(packed, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(VerifyFailed, match=f"5000 bytes came, {len(packed)} were announced"):
        fetched(server.url)


def test_more_than_was_announced_is_none_of_the_file(server: Server) -> None:
    server.answers = [Answer(headers={"Content-Length": "5000"})]
    assert fetched(server.url) == FILE[:5000]


def test_less_than_was_announced(server: Server) -> None:
    server.answers = [Answer(headers={"Content-Length": "100001"})]
    with pytest.raises(VerifyFailed, match="cannot go on"):
        fetched(server.url)


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there(server: Server, status: int) -> None:
    server.answers = [Answer(status=status)]
    with pytest.raises(NotFound, match=f"HTTP {status}") as caught:
        fetched(server.url)
    assert caught.value.where == server.url and "mirror" in caught.value.hint


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_server_that_cannot_just_now_may_be_tried_again(server: Server, status: int) -> None:
    server.answers = [Answer(status=status), Answer()]
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        fetched(server.url)
    assert fetched(server.url) == FILE


@pytest.mark.parametrize("status", [401, 403, 204, 206])
def test_what_no_second_try_changes(server: Server, status: int) -> None:
    server.answers = [Answer(b"", status=status)]
    with pytest.raises(Unsupported, match=f"HTTP {status}"):
        fetched(server.url)


@pytest.mark.parametrize(
    "headers", [{"Content-Length": ""}, {"Content-Length": "", "Transfer-Encoding": "chunked"}], ids=str
)
def test_a_server_that_does_not_tell_the_size(server: Server, headers: Headers) -> None:
    server.answers = [Answer(b"0\r\n\r\n", headers=headers)]
    with pytest.raises(Unsupported, match="does not say how large it is"):
        fetched(server.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_again_after_a_break(server: Server, status: int) -> None:
    with serving(Server(answers=[Answer(cut=5000), Answer()])) as other:
        server.answers = [Answer(b"", status=status, headers={"Location": other.url})]
        assert fetched(server.url) == FILE
        assert server.ranges == other.ranges == ["", "bytes=5000-"]


def test_redirects_without_an_end(server: Server) -> None:
    server.answers = [Answer(b"", status=302, headers={"Location": server.url})]
    with pytest.raises(Unavailable, match=r"it cannot be fetched: .*redirects"):
        fetched(server.url)


def test_a_redirect_to_what_cannot_be_fetched(server: Server) -> None:
    server.answers = [Answer(b"", status=302, headers={"Location": "ftp://127.0.0.1/linux.iso"})]
    with pytest.raises(Unsupported, match="it is no URL"):
        fetched(server.url)


@pytest.mark.parametrize("url", ["linux.iso", "http://", "http:///linux.iso", "http://[::1/x", "ftp://127.0.0.1/x", ""])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(Unsupported, match="it is no URL"):
        fetched(url)


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/linux.iso"
    with pytest.raises(Unavailable, match="it cannot be fetched") as caught:
        fetched(url)
    assert caught.value.where == url


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority("of the test")
    certificate, key = authority.issue("127.0.0.1", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(Server(), lambda plain: context.wrap_socket(plain, server_side=True)) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(VerifyFailed, match="its certificate is not trusted"):
            fetched(url)
        (tmp_path / "ca.pem").write_text(authority.pem)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        assert fetched(url) == FILE


def test_chunks_to_read_from() -> None:
    stream = Chunks(iter([b"abcdef", b"g", b"hi"]))
    assert [stream.read(4) for _ in range(6)] == [b"abcd", b"ef", b"g", b"hi", b"", b""]


def test_chunks_of_a_download_to_read_from(server: Server) -> None:
    with opened(server.url, clock=Clock()) as source:
        stream = Chunks(source.chunks())
        assert b"".join(iter(lambda: stream.read(333), b"")) == FILE
