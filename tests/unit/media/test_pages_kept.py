"""Pages outlive the service that shows them, wherever it is started; so does the state from before there were any."""

import sqlite3
from pathlib import Path

import pytest

from steps.clients.media import Media
from steps.domain.errors import Conflict, NotFound, Unsupported
from steps.media.pages import PageSets
from steps.media.service import Addresses
from steps.media.store import VERSION, Store
from tests.unit.media.serving import TOKEN, process, service
from tests.unit.media.test_pages import FILES, NOW, SECRET, SET, get, stored
from workflows.backends.media_process import media_service


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
