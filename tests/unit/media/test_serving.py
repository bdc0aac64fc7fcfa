"""What BMCs, networks and people do to a media service: hang up, ask oddly, move its files, kill it."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import struct
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from steps.clients.media import Media
from steps.domain.errors import Conflict, HerasphereError, NotFound, Unavailable
from steps.domain.media import Lease
from steps.media.conditions import Answer, answer
from steps.media.service import Addresses, Ready, serve
from steps.media.store import Store
from tests.unit.domain.isos import esxi_tree, genisoimage
from tests.unit.media.serving import KICKSTART, RUN, TOKEN, grant, port_of, process, service

TAG, MADE = '"now"', 1_700_000_000
ON_TIME, EARLIER = "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:19 GMT"
PART = {"Range": "bytes=2-4"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Answer(200, 0, 10)),
        (PART, Answer(206, 2, 5)),
        ({"Range": "bytes=10-"}, Answer(416)),
        ({"Range": "Bytes=-3"}, Answer(206, 7, 10)),
        (PART | {"If-Range": TAG}, Answer(206, 2, 5)),
        (PART | {"If-Range": ON_TIME}, Answer(206, 2, 5)),
        (PART | {"If-Range": EARLIER}, Answer(200, 0, 10)),
        (PART | {"If-Range": f"W/{TAG}"}, Answer(200, 0, 10)),
        (PART | {"If-None-Match": TAG}, Answer(304)),
        ({"Range": "bytes=10-", "If-None-Match": TAG}, Answer(304)),
        ({"If-None-Match": f'"old", W/{TAG}'}, Answer(304)),
        ({"If-None-Match": "*"}, Answer(304)),
        ({"If-None-Match": '"old"', "If-Modified-Since": ON_TIME}, Answer(200, 0, 10)),
        ({"If-Modified-Since": ON_TIME}, Answer(304)),
        ({"If-Modified-Since": EARLIER}, Answer(200, 0, 10)),
        ({"If-Modified-Since": "yesterday"}, Answer(200, 0, 10)),
        ({"If-Match": f'"old", {TAG}'}, Answer(200, 0, 10)),
        ({"If-Match": f"W/{TAG}"}, Answer(412)),
        ({"If-Unmodified-Since": EARLIER}, Answer(412)),
        ({"If-Match": TAG, "If-Unmodified-Since": EARLIER}, Answer(200, 0, 10)),
    ],
)
def test_conditions(headers: dict[str, str], expected: Answer) -> None:
    assert answer("GET", headers, tag=TAG, modified_s=MADE, size_bytes=10) == expected


def test_a_range_means_nothing_to_head(media: Media) -> None:
    url = grant(media).url
    head = requests.head(url, headers={"Range": "bytes=0-9"}, timeout=10)
    assert head.status_code == 200 and int(head.headers["Content-Length"]) > 1_000_000
    made = head.headers["Last-Modified"]
    assert requests.get(url, headers=PART | {"If-Range": made}, timeout=10).status_code == 206


def started_reading(url: str, take: int) -> socket.socket:
    """A connection on which the whole ISO was asked for and this much taken."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.settimeout(20)
    connection.connect((parts.hostname, parts.port))
    connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    while take > 0:
        take -= len(connection.recv(min(take, 65536)))
    return connection


def drained(connection: socket.socket) -> int:
    """How many bytes still come before the other side ends it."""
    taken = 0
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(1 << 20):
            taken += len(data)
    return taken


def seen_until(media: Media, holds: Callable[[Lease], bool]) -> Lease:
    end = time.monotonic() + 20
    while not holds(lease := media.lease(**RUN)):
        assert time.monotonic() < end, lease
        time.sleep(0.02)
    return lease


def test_a_reader_who_hangs_up_is_counted_by_what_it_took(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    lease = grant(media)
    for take in (1, 300_000, 3_000_000):
        connection = started_reading(lease.url, take)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
        connection.close()
    seen = seen_until(media, lambda now: now.bytes_covered >= 3_000_000)
    assert seen.bytes_covered < lease.size_bytes and seen.kickstart_read_at is None
    assert requests.get(lease.url, headers=PART, timeout=10).status_code == 206
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_revoked_lease_is_cut_off_while_it_is_read(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    lease = grant(media)
    with started_reading(lease.url, 100_000) as connection:
        media.revoke(**RUN)
        assert drained(connection) < lease.size_bytes - 1_000_000
    assert "cut off from run-1/esx01: its lease ended" in caplog.text


def test_an_iso_that_changes_while_it_is_read_is_cut_off(at: Ready, iso: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(iso, tmp_path / "mine.iso"))
    with Media(at.control_url, TOKEN) as media:
        media.add_iso(mine, upload=False)
        lease = grant(media)
        with started_reading(lease.url, 100_000) as connection:
            os.utime(mine, (1, 1))
            assert drained(connection) < lease.size_bytes - 1_000_000


def test_the_url_that_a_bmc_was_given_stays_the_leases(tmp_path: Path, iso: Path) -> None:
    """The clean-up ejects what has this URL; were it to change, the medium would be left in the server."""
    with service(tmp_path) as at, Media(at.control_url, TOKEN) as media:
        media.add_iso(iso, upload=False)
        unread, read = grant(media, host="esx02", serial="A2"), grant(media)
        requests.get(read.url, headers=PART, timeout=10)
        media.add_iso(Path(shutil.copy(iso, tmp_path / "other-name.iso")), upload=False)
        assert media.lease(**RUN).url == read.url
        assert requests.get(read.url, headers=PART, timeout=10).status_code == 206
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port_of(at.public_url)))  # so that it comes up elsewhere
        with service(tmp_path) as again, Media(again.control_url, TOKEN) as media:
            assert media.lease(**RUN).url == grant(media).url == read.url
            moved = grant(media, host="esx02", serial="A2")
            assert moved.url != unread.url and moved.url.startswith(again.public_url)
            assert requests.get(moved.url, headers=PART, timeout=10).status_code == 206


def test_a_serial_is_the_same_in_any_case(media: Media) -> None:
    grant(media, serial="7xk2p13")
    with pytest.raises(Conflict, match="run-1 holds"):
        grant(media, run="run-2", serial="7XK2P13")


def test_an_iso_that_went_away_is_not_offered(at: Ready, iso: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(iso, tmp_path / "mine.iso"))
    with Media(at.control_url, TOKEN) as media:
        held = media.add_iso(mine, upload=False)
        mine.rename(tmp_path / "moved.iso")
        assert media.isos() == []
        with pytest.raises(Unavailable, match=r"mine\.iso"):
            grant(media, iso_sha256=held.sha256)
        media.add_iso(tmp_path / "moved.iso", upload=False)
        assert grant(media).iso.name == "moved.iso"


def test_a_copy_of_our_own_is_kept_before_a_file_of_others(at: Ready, iso: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(iso, tmp_path / "mine.iso"))
    with Media(at.control_url, TOKEN) as media:
        media.add_iso(mine)
        media.add_iso(mine, upload=False)
        mine.unlink()
        assert requests.get(grant(media).url, headers=PART, timeout=10).status_code == 206


def test_what_is_no_file_is_refused_at_once(media: Media, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.iso")
    (tmp_path / "folder.iso").mkdir()
    for name in ("pipe.iso", "folder.iso"):
        with pytest.raises(NotFound, match="is no file"):
            media.add_iso(tmp_path / name, upload=False)


def test_an_upload_without_room_is_refused_before_it_is_sent(
    media: Media, iso: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 30, 1 << 30, 1 << 20))
    with pytest.raises(Unavailable, match=r"needs \d+ MiB, 1 MiB are free"):
        media.add_iso(iso)


def test_half_an_upload_leaves_nothing(tmp_path: Path, iso: Path) -> None:
    with service(tmp_path) as at, socket.create_connection(("127.0.0.1", port_of(at.control_url))) as connection:
        head = f"PUT /v1/isos/x.iso HTTP/1.1\r\nHost: x\r\nX-Herasphere-Token: {TOKEN}\r\n"
        connection.sendall(f"{head}Content-Length: 9999999\r\n\r\n".encode() + iso.read_bytes()[:200_000])
        end = time.monotonic() + 20
        while not list((tmp_path / "isos").iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        connection.close()
        while list((tmp_path / "isos").iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        assert list((tmp_path / "isos").iterdir()) == []
    (tmp_path / "isos" / "part-left-by-a-crash").write_bytes(b"x")
    with service(tmp_path):
        assert list((tmp_path / "isos").iterdir()) == []


def test_unknown_paths_are_logged_without_what_was_asked(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    lease = grant(media)
    token = lease.url.split("/")[-2]
    for path in (f"/{token}.iso", f"/m/{token}", f"/m/{token}/cb/", f"/m/{token}/cb/other", f"/m/{token}x/e.iso"):
        caplog.clear()
        assert requests.get(lease.url.split("/m/")[0] + path, timeout=10).status_code == 404
        assert "refused" in caplog.text and token not in caplog.text, path
    assert requests.post(lease.url, timeout=10).status_code in (404, 405)


def test_a_killed_service_goes_on_where_it_was(tmp_path: Path, iso: Path) -> None:
    with process(tmp_path) as (child, at), Media(at.control_url, TOKEN) as media:
        media.add_iso(iso)
        lease = grant(media)
        media.mark(**RUN, name="power-on", value="7")
        slot = lease.size_bytes - 2_000_000  # behind the source, with the kickstart in it
        requests.get(lease.url, headers={"Range": f"bytes={slot}-"}, timeout=10)
        requests.get(f"{lease.callback_url}/pre-ok?text=one%20disk", timeout=10)
        before = media.lease(**RUN)
        assert before.kickstart_read_at
        child.send_signal(signal.SIGKILL)
        child.wait(20)
    with process(tmp_path) as (child, again), Media(again.control_url, TOKEN) as media:
        after = media.lease(**RUN)
        told = {"url", "marks", "callbacks", "first_read_at", "kickstart_read_at", "expires_at", "iso", "serial"}
        assert after.model_dump(include=told) == before.model_dump(include=told)
        moved = f"{again.public_url}/m/" + lease.url.split("/m/")[1]
        assert KICKSTART.encode() in requests.get(moved, timeout=10).content
        counted = media.lease(**RUN).bytes_covered
        child.terminate()
        assert child.wait(20) == 0
    with service(tmp_path) as last, Media(last.control_url, TOKEN) as media:
        assert media.lease(**RUN).bytes_covered == counted == lease.size_bytes


def test_two_services_do_not_share_a_folder(tmp_path: Path) -> None:
    with process(tmp_path), pytest.raises(Conflict, match="another media service uses this folder"):
        serve(tmp_path, Addresses("127.0.0.1", 0), token=TOKEN, ready=lambda _: None)


def test_state_of_another_version_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "media.sqlite"
    store = Store(file)
    store.db.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(Conflict, match="another version"):
        Store(file)


def test_64_readers_of_different_hosts_get_their_own(media: Media) -> None:
    leases = [grant(media, host=f"esx{n}", serial=f"S{n}", kickstart=f"# host {n}\n" * 9) for n in range(64)]
    wrong: list[int] = []

    def read(number: int) -> None:
        body = requests.get(leases[number].url, timeout=60).content
        if len(body) != leases[number].size_bytes or body.count(f"# host {number}\n".encode()) != 9:
            wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_another_name_for_a_leased_content_changes_nothing(at: Ready, iso: Path, tmp_path: Path) -> None:
    esxi_tree(tmp_path / "tree", files=3)
    newer = genisoimage(tmp_path / "tree", tmp_path / iso.name)
    with Media(at.control_url, TOKEN) as media:
        media.add_iso(iso, upload=False)
        grant(media, ttl_s=0)
        media.add_iso(newer, upload=False)
        old = media.lease(**RUN)
        assert old.iso.sha256 != media.iso(iso.name).sha256
        found = media.lease_of_url(old.url)
        assert found is not None and found.run == "run-1", "a medium left in a server is still known as ours"
        with pytest.raises(HerasphereError):
            grant(media, iso_sha256="0" * 64)
