"""What a guest's installer reads: only its own pages, only as long as its run lives, and seen when it does."""

import http.client
import logging
import re
import socket
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
from steps.domain.errors import AccessDenied, NotFound, Unsupported
from steps.domain.media import MAX_PAGES_BYTES, http_values
from steps.media import pages
from steps.media.pages import PageSets
from steps.media.service import Ready
from steps.media.store import Store
from tests.unit.media.serving import TOKEN, port_of
from tests.unit.media.test_serving import started_reading

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
