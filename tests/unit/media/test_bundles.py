"""Bundles come back whole, are checked on the way in and out, and go when nobody has asked for them in a long time."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from steps.clients import media as client
from steps.clients.media import Media
from steps.domain.errors import AccessDenied, NotFound, Unavailable, Unsupported, VerifyFailed
from steps.domain.image.bundle import Member, Reference, pack, unpack
from steps.media import bundles
from steps.media.bundles import UNUSED_S, Bundles
from steps.media.pages import PageSets
from steps.media.service import Ready, forget
from steps.media.store import Store
from tests.unit.media.serving import TOKEN, port_of, process, service

CONTENT = bytes(range(256)) * 12_345
NAME = hashlib.sha256(CONTENT).hexdigest()
HEADERS = {"X-Herasphere-Token": TOKEN}


@pytest.fixture
def media(at: Ready) -> Iterator[Media]:
    with Media(at.control_url, TOKEN) as talking:
        yield talking


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "bundle.tar"
    file.write_bytes(CONTENT)
    return file


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "bundles").iterdir())


def read(media: Media) -> bytes:
    with media.bundle(NAME) as file:
        return file.read()


def test_it_comes_back_whole(media: Media, file: Path, tmp_path: Path) -> None:
    assert not media.has_bundle(NAME)
    assert media.put_bundle(file) == media.put_bundle(file) == NAME
    assert media.has_bundle(NAME) and read(media) == CONTENT
    assert kept(tmp_path) == [f"{NAME}.tar"]
    assert (tmp_path / "bundles" / f"{NAME}.tar").stat().st_mode & 0o777 == 0o600


def test_files_of_settings_travel_in_it(media: Media, file: Path, tmp_path: Path) -> None:
    (tmp_path / "ks.cfg").write_text("text\n")
    with file.open("wb") as target:
        name = pack([Member(Reference("http"), "7/ks.cfg", tmp_path / "ks.cfg")], target)
    assert media.put_bundle(file) == name
    with media.bundle(name) as held:
        assert [(each.path, each.content) for each in unpack(held, "http")] == [("7/ks.cfg", b"text\n")]


def test_what_it_has_is_not_sent_again(media: Media, at: Ready, file: Path) -> None:
    media.put_bundle(file)
    asked: list[str] = []
    media.session.hooks["response"].append(lambda answer, **_: asked.append(answer.request.method))
    media.put_bundle(file)
    assert asked == ["GET"]
    again = requests.put(f"{at.control_url}/v1/bundles/{NAME}", data=CONTENT, headers=HEADERS, timeout=10)
    assert again.status_code == 201 and again.json() == {"size_bytes": len(CONTENT)}
    assert read(media) == CONTENT


def test_another_content_is_refused_and_nothing_stays(at: Ready, tmp_path: Path) -> None:
    answer = requests.put(f"{at.control_url}/v1/bundles/{NAME}", data=b"other", headers=HEADERS, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (422, "VerifyFailed")
    assert kept(tmp_path) == []


@pytest.mark.parametrize("chunked", [True, False])
def test_too_much_is_refused_and_nothing_stays(
    at: Ready, tmp_path: Path, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "MAX_BUNDLE_BYTES", 1 << 20)
    data = (part for part in [CONTENT]) if chunked else CONTENT
    answer = requests.put(f"{at.control_url}/v1/bundles/{NAME}", data=data, headers=HEADERS, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (422, "Unsupported")
    assert "larger than 1 MiB" in answer.json()["what"] and answer.json()["hint"]
    assert kept(tmp_path) == []


def test_too_much_is_not_even_sent(media: Media, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_BUNDLE_BYTES", 1 << 20)
    with pytest.raises(Unsupported, match="are 3 MiB together"):
        media.put_bundle(file)


def test_half_of_it_leaves_nothing(at: Ready, tmp_path: Path) -> None:
    head = f"PUT /v1/bundles/{NAME} HTTP/1.1\r\nHost: x\r\nX-Herasphere-Token: {TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", port_of(at.control_url))) as connection:
        connection.sendall(f"{head}Content-Length: {len(CONTENT)}\r\n\r\n".encode() + CONTENT[:100_000])
        end = time.monotonic() + 20
        while not kept(tmp_path) and time.monotonic() < end:
            time.sleep(0.02)
    while kept(tmp_path) and time.monotonic() < end:
        time.sleep(0.02)
    assert kept(tmp_path) == []


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "part-x").touch()
    with service(tmp_path):
        assert kept(tmp_path) == []


@pytest.mark.parametrize("name", ["", "..", "../../token", NAME.upper(), NAME[1:], f"{NAME}.tar"])
def test_a_name_is_a_sum(media: Media, name: str) -> None:
    with pytest.raises((Unsupported, Unavailable)), media.bundle(name):
        pass


def test_one_that_is_not_there(media: Media, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"no bundle {NAME[:12]}"), media.bundle(NAME):
        pass
    with pytest.raises(NotFound, match="cannot be read"):
        media.put_bundle(tmp_path / "none.tar")


def test_a_damaged_one_is_not_given_out(media: Media, file: Path, tmp_path: Path) -> None:
    media.put_bundle(file)
    (tmp_path / "bundles" / f"{NAME}.tar").write_bytes(CONTENT[1:])
    with pytest.raises(VerifyFailed, match="is damaged"), media.bundle(NAME):
        pass


def test_the_token_is_needed(at: Ready, file: Path) -> None:
    with Media(at.control_url, "wrong") as media:
        for call in (lambda: media.put_bundle(file), lambda: media.has_bundle(NAME), lambda: read(media)):
            with pytest.raises(AccessDenied):
                call()
    for path in (f"/v1/bundles/{NAME}", f"/v1/bundles/{NAME}/size"):
        assert requests.get(at.control_url + path, timeout=10).status_code == 401
        assert requests.get(at.public_url + path, headers=HEADERS, timeout=10).status_code == 404


def test_many_send_and_read_at_once(at: Ready, file: Path, tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def use(_: int) -> bool:
        with Media(at.control_url, TOKEN) as media:
            together.wait(10)
            media.put_bundle(file)
            return all(read(media) == CONTENT for _ in range(3))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(8)))
    assert kept(tmp_path) == [f"{NAME}.tar"]


def test_it_outlives_the_service(tmp_path: Path, file: Path) -> None:
    with process(tmp_path) as (child, at), Media(at.control_url, TOKEN) as media:
        media.put_bundle(file)
        child.kill()
        child.wait(20)
    with process(tmp_path) as (_, at), Media(at.control_url, TOKEN) as media:
        assert read(media) == CONTENT


def test_one_that_nobody_uses_is_forgotten_unless_pages_are_of_it(tmp_path: Path) -> None:
    store, held, now = Store(tmp_path / "media.sqlite"), Bundles(tmp_path / "bundles"), 1_800_000_000.0
    sets = PageSets(store)
    for name, used in (("a" * 64, now), ("b" * 64, now - UNUSED_S - 1), ("c" * 64, now - UNUSED_S - 1)):
        held.place(name).touch()
        os.utime(held.place(name), (used, used))
    sets.publish("run", "ks", {"ks.cfg": b"x"}, bundle="c" * 64, expires=now + 60, now=now)
    forget(sets, held, now)
    assert [name[0] for name in kept(tmp_path)] == ["a", "c"]
    forget(sets, held, now + 61)
    assert [name[0] for name in kept(tmp_path)] == ["a"]
    store.close()


def test_whoever_asks_keeps_it(media: Media, file: Path, tmp_path: Path) -> None:
    media.put_bundle(file)
    place = tmp_path / "bundles" / f"{NAME}.tar"
    for use in (media.has_bundle, lambda _: read(media), lambda _: media.publish("r", "n", {"x": b""}, 9, bundle=NAME)):
        os.utime(place, (1, 1))
        use(NAME)
        assert place.stat().st_mtime > time.time() - 60


def test_what_is_over_is_removed_when_it_starts(tmp_path: Path, file: Path) -> None:
    with service(tmp_path) as at, Media(at.control_url, TOKEN) as media:
        media.put_bundle(file)
    os.utime(tmp_path / "bundles" / f"{NAME}.tar", (1, 1))
    with service(tmp_path):
        assert kept(tmp_path) == []
