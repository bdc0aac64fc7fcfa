"""`hera media add|list --cluster`: ISOs through the API server to the cluster's media service, from a file or a URL."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.lab.inprocess.iso import make_iso
from tests.unit.argo.desk import Desk


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server over the folder `www`, which has new.iso."""
    (tmp_path / "www").mkdir()
    make_iso(tmp_path / "www" / "new.iso", version="9.0.0")
    handler = partial(Quiet, directory=str(tmp_path / "www"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def names(desk: Desk) -> list[str]:
    return sorted(line.split()[0] for line in desk.hera("media", "list", "--cluster").out.splitlines()[1:])


def test_a_file_is_sent_once(desk: Desk, tmp_path: Path) -> None:
    make_iso(tmp_path / "new.iso", version="9.0.0")
    said = desk.hera("media", "add", tmp_path / "new.iso", "--cluster")
    assert said.code == 0, said.err
    assert said.out.startswith("new.iso\t9.0.0\t") and "sending" in said.err
    again = desk.hera("media", "add", tmp_path / "new.iso", "--cluster")
    assert again.out == said.out and "sending" not in again.err
    assert names(desk) == ["esxi.iso", "new.iso"]


def test_a_url_is_downloaded_and_sent_on(desk: Desk, tmp_path: Path, web: str) -> None:
    desk.patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    said = desk.hera("media", "add", f"{web}/new.iso?key=s3cret", "--cluster")
    assert said.code == 0, said.err
    assert "new.iso" in names(desk)
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("word", "told"),
    [("/gone.iso?key=s3cret", "404"), ("/two%20words.iso", "no name for an ISO"), ("/", "no name for an ISO")],
)
def test_a_url_that_cannot_be(desk: Desk, tmp_path: Path, web: str, word: str, told: str) -> None:
    desk.patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    said = desk.hera("media", "add", web + word, "--cluster")
    assert said.code == 2 and told in said.err
    assert "s3cret" not in said.err


def test_what_is_no_file_or_no_iso(desk: Desk, tmp_path: Path) -> None:
    said = desk.hera("media", "add", tmp_path / "none.iso", "--cluster")
    assert said.code == 2 and "cannot be read" in said.err
    (tmp_path / "text.iso").write_text("text")
    assert desk.hera("media", "add", tmp_path / "text.iso", "--cluster").code == 2
    assert names(desk) == ["esxi.iso"]


def test_not_two_services_at_once(desk: Desk) -> None:
    said = desk.hera("media", "list", "--cluster", "--media", "http://127.0.0.1:1")
    assert said.code == 2 and "either" in said.err
