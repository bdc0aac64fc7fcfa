"""What a guest's installer reads: only its own pages, only as long as its run lives, and seen when it does."""

import http.client
import logging
import re
import socket
import sqlite3
import struct
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from steps.clients import media as client
from steps.clients.media import Media
from steps.domain.errors import AccessDenied, Conflict, NotFound, Unsupported
from steps.domain.media import MAX_PAGES_BYTES, http_values
from steps.media import pages
from steps.media.pages import PageSets
from steps.media.service import Addresses, Ready
from steps.media.store import VERSION, Store
from tests.unit.media.serving import TOKEN, port_of, process, service
from tests.unit.media.test_serving import started_reading
from workflows.backends.media_process import media_service

SECRET = "$6$rounds=5000$salt$hash"
FILES = {"7/ks.cfg": f"rootpw --iscrypted {SECRET}\n".encode(), "7/ä b%2F?.cfg": b"odd", "empty": b""}
SET = ("build-1", "kickstart")
HEADERS = {"X-Herasphere-Token": TOKEN}
NOW = 1_800_000_000.0


@pytest.fixture
def media(at: Ready) -> Iterator[Media]:
    with Media(at.control_url, TOKEN) as talking:
        yield talking


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=10)


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("media.sqlite*"))


def test_the_installer_reads_them(media: Media, at: Ready) -> None:
    shown = media.publish(*SET, FILES, 600)
    assert re.fullmatch(r"[a-z0-9]{22}", shown.token)
    assert shown.base_url == f"{at.public_url}/p/{shown.token}"
    assert [page.path for page in shown.pages] == sorted(FILES) and 590 < (shown.expires_at - shown.now).seconds <= 600
    for path, content in FILES.items():
        answer = get(shown.url(path))
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.headers["Content-Type"] == "text/plain"
        head = requests.head(shown.url(path), timeout=10)
        assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(content)), b"")


def test_as_packers_templates_ask_for_them(media: Media) -> None:
    host, port = http_values(media.publish(*SET, FILES, 600).base_url)
    assert get(f"http://{host}:{port}/7/ks.cfg").content == FILES["7/ks.cfg"]


@pytest.mark.parametrize("header", ["bytes=0-3", "bytes=5-", "bytes=-2", "bytes=999-", "bytes=0-1,3-4", "x"])
def test_a_range_is_answered_with_all(media: Media, header: str) -> None:
    answer = get(media.publish(*SET, FILES, 600).url("7/ks.cfg"), Range=header)
    assert (answer.status_code, answer.content) == (200, FILES["7/ks.cfg"])


def test_who_read_what_is_seen(media: Media) -> None:
    shown = media.publish(*SET, FILES, 600)
    requests.head(shown.url("7/ks.cfg"), timeout=10)
    assert all(page.first_read_at is None and page.first_read_by == "" for page in media.pages(*SET).pages)
    get(shown.url("7/ks.cfg"))
    first = media.pages(*SET).page("7/ks.cfg")
    assert first and first.first_read_at and first.first_read_at == first.last_read_at
    assert first.first_read_by == first.last_read_by == "127.0.0.1" and first.size_bytes == len(FILES["7/ks.cfg"])
    get(shown.url("7/ks.cfg"))
    again = media.pages(*SET).page("7/ks.cfg")
    assert again and again.last_read_at and first.last_read_at
    assert again.first_read_at == first.first_read_at and again.last_read_at > first.last_read_at
    unread = media.pages(*SET).page("empty")
    assert unread and unread.first_read_at is None and media.pages(*SET).page("none") is None


def test_asked_again_they_are_replaced_at_the_same_place(media: Media) -> None:
    first = media.publish(*SET, FILES, 60)
    for path in FILES:
        get(first.url(path))
    second = media.publish(*SET, {"7/ks.cfg": b"new", "empty": b""}, 600)
    assert second.base_url == first.base_url and second.expires_at > first.expires_at
    assert get(second.url("7/ks.cfg")).content == b"new"
    assert get(second.url("7/ä b%2F?.cfg")).status_code == 404
    changed, same = second.pages
    assert changed.first_read_at is None, "what was read is not what is there now"
    assert same.first_read_at
    assert media.publish("build-2", "kickstart", FILES, 60).token != first.token
    assert media.publish("build-1", "other", FILES, 60).token != first.token


def test_a_stopped_runs_pages_are_dead(media: Media, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    media.unpublish(*SET)
    shown = media.publish(*SET, FILES, 600)
    assert SECRET.encode() in stored(tmp_path)
    media.unpublish(*SET)
    media.unpublish(*SET)
    assert get(shown.url("7/ks.cfg")).status_code == 404
    assert SECRET.encode() not in stored(tmp_path), "a hash that is needed no more"
    with pytest.raises(NotFound, match="run build-1 shows no pages kickstart"):
        media.pages(*SET)
    late = media.publish(*SET, FILES, 600)
    assert late.token != shown.token and get(shown.url("7/ks.cfg")).status_code == 404
    assert "refused: no such URL" in caplog.text and shown.token not in caplog.text and SECRET not in caplog.text


def test_what_is_replaced_is_not_in_the_file_any_more(media: Media, tmp_path: Path) -> None:
    media.publish(*SET, FILES, 600)
    media.publish(*SET, {"ks.cfg": b"new"}, 600)
    assert SECRET.encode() not in stored(tmp_path)
    assert (tmp_path / "media.sqlite").stat().st_mode & 0o777 == 0o600


def test_their_time_ends_them(media: Media) -> None:
    shown = media.publish(*SET, FILES, 1)
    end = time.monotonic() + 10
    while get(shown.url("empty")).status_code == 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    with pytest.raises(NotFound):
        media.pages(*SET)
    assert media.publish(*SET, FILES, 60).token != shown.token


def test_expired_ones_leave_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "media.sqlite")
    sets = PageSets(store)
    sets.publish(*SET, {"ks.cfg": b"content that is over"}, bundle="", expires=NOW + 60, now=NOW)
    sets.publish("build-2", "ks", {"ks.cfg": b"live"}, bundle="", expires=NOW + 600, now=NOW)
    token = sets.pages(*SET, public_url="http://x:1", now=NOW).token
    found = sets.shown(token, "ks.cfg", NOW + 59)
    assert found and found.content == b"content that is over"
    assert sets.shown(token, "ks.cfg", NOW + 60) is None
    sets.forget_expired(NOW + 60)
    assert b"content that is over" not in stored(tmp_path) and b"live" in stored(tmp_path)
    assert store.db.execute("SELECT run FROM page_set").fetchall()[0][0] == "build-2"
    assert sets.shown(token, "ks.cfg", NOW) is None
    store.close()


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/7", "/7/", "//7/ks.cfg", "/7/../7/ks.cfg", "/7/%2e%2e/7/ks.cfg", "/7//ks.cfg", "/7/ks.cfg/"),
        *("/../../token", "/..%2f..%2ftoken", "/%2e%2e/%2e%2e/media.sqlite", "/7/ks.cfg%00", "/7/KS.CFG", "/none"),
    ],
)
def test_there_is_nothing_beside_them(media: Media, at: Ready, path: str) -> None:
    shown = media.publish(*SET, FILES, 600)
    connection = http.client.HTTPConnection("127.0.0.1", port_of(at.public_url), timeout=10)  # asks as it is told
    connection.request("GET", f"/p/{shown.token}{path}")
    answer = connection.getresponse()
    assert answer.status in (400, 404) and b"ks.cfg" not in answer.read()
    connection.close()


def test_only_their_token_opens_them(media: Media, at: Ready) -> None:
    shown = media.publish(*SET, FILES, 600)
    for token in (shown.token.upper(), shown.token[:-1], shown.token + "a", "*", "%25", SET[0]):
        assert get(f"{at.public_url}/p/{token}/7/ks.cfg").status_code == 404
    assert get(f"{at.public_url}/x{shown.url('7/ks.cfg').removeprefix(at.public_url)}").status_code == 404
    for method in ("POST", "PUT", "DELETE"):
        assert requests.request(method, shown.url("7/ks.cfg"), timeout=10).status_code in (404, 405)


def test_a_page_that_is_missing_is_told_in_the_log(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    shown = media.publish(*SET, FILES, 600)
    get(shown.url("8/ks.cfg"))
    assert "127.0.0.1 asked build-1/kickstart for '8/ks.cfg': no such page" in caplog.text
    assert shown.token not in caplog.text


def test_the_control_token_is_needed(at: Ready) -> None:
    with Media(at.control_url, "wrong") as media:
        for call in (
            lambda: media.publish(*SET, FILES, 60),
            lambda: media.pages(*SET),
            lambda: media.unpublish(*SET),
        ):
            with pytest.raises(AccessDenied):
                call()
    assert requests.post(f"{at.control_url}/v1/pages", json={}, timeout=10).status_code == 401
    assert requests.post(f"{at.public_url}/v1/pages", json={}, headers=HEADERS, timeout=10).status_code == 404


@pytest.mark.parametrize(
    "path", ["", "/ks.cfg", "ks.cfg/", "../ks.cfg", "a/../b", "a/./b", "a//b", "a\nb", "a\0", "x" * 501]
)
def test_no_path_leads_elsewhere(media: Media, path: str) -> None:
    with pytest.raises(Unsupported, match="is no path of a page"):
        media.publish(*SET, {"ks.cfg": b"", path: b""}, 60)
    with pytest.raises(NotFound):
        media.pages(*SET)


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"run": "../x"}, "names no pages"),
        ({"name": "a/b"}, "names no pages"),
        ({"files": []}, "0 files of 0 MiB together"),
        ({"ttl_s": 0}, "over before they are shown"),
        ({"bundle": "x"}, "no name of a bundle"),
        ({"bundle": "0" * 64}, "there is no bundle 000000000000"),
        ({"files": [{"path": "x", "content": "no base64"}]}, "bad request"),
        ({"files": [{"path": "x"}]}, "bad request: 'content'"),
        ({"ttl_s": "soon"}, "bad request"),
    ],
)
def test_what_cannot_be_shown_is_refused(at: Ready, media: Media, how: dict[str, Any], what: str) -> None:
    page = {"path": "ks.cfg", "content": b64encode(b"x").decode()}
    body = {"run": SET[0], "name": SET[1], "files": [page], "ttl_s": 60} | how
    answer = requests.post(f"{at.control_url}/v1/pages", json=body, headers=HEADERS, timeout=10)
    assert answer.status_code in (400, 404, 422) and what in answer.json()["what"] and answer.json()["hint"]
    with pytest.raises(NotFound):
        media.pages(*SET)


def test_too_much_is_refused_here_and_there(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES_BYTES", 1 << 20)
    with pytest.raises(Unsupported, match="1 MiB at most"):
        media.publish(*SET, {"ks.cfg": bytes(2 << 20)}, 60)
    monkeypatch.setattr(client, "MAX_PAGES_BYTES", 1 << 20)
    with pytest.raises(Unsupported, match="are 2 MiB together"):
        media.publish(*SET, {"ks.cfg": bytes(2 << 20)}, 60)


def test_as_much_as_may_be_is_shown(media: Media) -> None:
    whole = bytes(range(256)) * (MAX_PAGES_BYTES // 256)
    assert get(media.publish(*SET, {"big": whole}, 60).url("big")).content == whole


def test_whoever_hangs_up_has_not_read_it(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    shown = media.publish(*SET, {"big": bytes(MAX_PAGES_BYTES)}, 60)
    for _ in range(3):
        connection = started_reading(shown.url("big"), 100_000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
        connection.close()
    time.sleep(0.2)
    assert media.pages(*SET).pages[0].first_read_at is None
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_many_installers_read_their_own(media: Media) -> None:
    sets = [media.publish(f"build-{n}", "ks", {"ks.cfg": f"{n}\n".encode() * 50_000}, 600) for n in range(16)]

    def read(number: int) -> bool:
        shown = sets[number % 16]
        return get(shown.url("ks.cfg")).content == f"{number % 16}\n".encode() * 50_000

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(read, range(128)))
    for shown in sets:
        page = media.pages(shown.run, "ks").page("ks.cfg")
        assert page and page.first_read_at


def test_a_killed_service_shows_them_again(tmp_path: Path) -> None:
    with process(tmp_path) as (child, at), Media(at.control_url, TOKEN) as media:
        media.publish(*SET, FILES, 600)
        before = media.publish("build-2", "ks", FILES, 600)
        get(before.url("7/ks.cfg"))
        read = media.pages("build-2", "ks").pages
        media.unpublish(*SET)
        child.kill()
        child.wait(20)
    with process(tmp_path) as (_, at), Media(at.control_url, TOKEN) as media:
        after = media.pages("build-2", "ks")
        assert (after.token, after.pages, after.expires_at) == (before.token, read, before.expires_at)
        assert after.base_url.startswith(at.public_url), "where the service is now"
        assert get(after.url("7/ks.cfg")).content == FILES["7/ks.cfg"]
        with pytest.raises(NotFound):
            media.pages(*SET)


def test_the_service_of_a_run_on_this_machine_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "bundle.tar").write_bytes(b"files")
    with (
        media_service(tmp_path / "media", address="127.0.0.1", port=0, log=tmp_path / "media.log") as at,
        Media(at.control_url, at.token) as media,
    ):
        shown = media.publish(*SET, FILES, 600, bundle=media.put_bundle(tmp_path / "bundle.tar"))
        assert get(shown.url("7/ks.cfg")).content == FILES["7/ks.cfg"] and shown.base_url.startswith(at.public_url)
        with media.bundle(shown.bundle) as file:
            assert file.read() == b"files"
    log = (tmp_path / "media.log").read_text()
    assert "127.0.0.1 read build-1/kickstart: '7/ks.cfg'" in log and shown.token not in log and SECRET not in log


def test_without_an_http_address_there_are_none(tmp_path: Path) -> None:
    addresses = Addresses("127.0.0.1", 0, public_url="https://media.example")
    with service(tmp_path, addresses=addresses) as at, Media(at.control_url, TOKEN) as media:
        with pytest.raises(Unsupported, match="is no http URL"):
            media.publish(*SET, FILES, 60)
        assert SECRET.encode() not in stored(tmp_path)


def test_behind_another_name_the_port_is_always_given(tmp_path: Path) -> None:
    addresses = Addresses("127.0.0.1", 0, public_url="http://media.example/media/")
    with service(tmp_path, addresses=addresses) as at, Media(at.control_url, TOKEN) as media:
        shown = media.publish(*SET, FILES, 60)
        assert shown.base_url == f"http://media.example:80/media/p/{shown.token}"


VERSION_2 = """
CREATE TABLE iso (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, path TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL, version TEXT NOT NULL, build TEXT NOT NULL, template TEXT NOT NULL
);
CREATE TABLE lease (
    token TEXT PRIMARY KEY, run TEXT NOT NULL, host TEXT NOT NULL, serial TEXT NOT NULL, url TEXT NOT NULL,
    sha256 TEXT NOT NULL, kickstart BLOB NOT NULL, made REAL NOT NULL, expires REAL NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    served INTEGER NOT NULL DEFAULT 0, coverage BLOB NOT NULL DEFAULT x'', first_read REAL, last_read REAL,
    kickstart_read REAL, origin TEXT NOT NULL DEFAULT '', UNIQUE (run, host)
);
CREATE TABLE note (
    token TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX note_of_lease ON note (token);
CREATE INDEX lease_of_server ON lease (serial);
INSERT INTO lease (token, run, host, serial, url, sha256, kickstart, made, expires, served)
    VALUES ('t', 'run-1', 'esx01', 'A1', 'http://x/m/t/e.iso', 'f', x'6b73', 1, 2, 3);
INSERT INTO note VALUES ('t', 'mark', 'power-on', '7', 1);
PRAGMA user_version = 2;
"""


def test_the_state_of_a_service_without_pages_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "media.sqlite"
    old = sqlite3.connect(file)
    old.executescript(VERSION_2)
    old.close()
    for _ in range(2):
        store = Store(file)
        lease = store.lease("run-1", "esx01")
        assert (lease.kickstart, lease.served, [note.text for note in store.notes(lease)]) == (b"ks", 3, ["7"])
        PageSets(store).publish(*SET, {"ks.cfg": b"x"}, bundle="", expires=NOW + 1, now=NOW)
        assert store.db.execute("PRAGMA user_version").fetchone()[0] == VERSION == 3
        store.close()


def test_the_state_of_an_older_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "media.sqlite"
    old = sqlite3.connect(file)
    old.executescript(f"{VERSION_2} PRAGMA user_version = 1;")
    old.close()
    with pytest.raises(Conflict, match="another version"):
        Store(file)
