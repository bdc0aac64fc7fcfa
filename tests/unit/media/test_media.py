"""The media service over real HTTP: the right bytes, for the right host, as long as its run lives."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from steps.clients.media import Media
from steps.domain.errors import AccessDenied, Conflict, NotFound, Unavailable, Unsupported, VerifyFailed
from steps.media.conditions import byte_range
from steps.media.sending import cover, covered_bytes
from steps.media.service import Ready
from tests.unit.domain.isos import esxi_tree, genisoimage
from tests.unit.domain.test_splice import view_of
from tests.unit.media.serving import KICKSTART, RUN, TOKEN, grant, port_of, service


def test_the_whole_iso_is_the_spliced_view(media: Media, iso: Path, tmp_path: Path) -> None:
    lease = grant(media)
    assert lease.url.endswith("/ESXi-8.0U3.iso") and len(lease.url.split("/")[-2]) == 43
    whole = requests.get(lease.url, timeout=10)
    assert whole.status_code == 200
    assert whole.content == view_of(iso, tmp_path, KICKSTART.encode()).read_bytes()
    head = requests.head(lease.url, timeout=10)
    assert head.headers["Content-Length"] == str(len(whole.content)) and head.content == b""
    assert head.headers["Accept-Ranges"] == "bytes" and head.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=2048-", 206, slice(2048, None)),
        ("bytes=-300", 206, slice(-300, None)),
        ("bytes=100-100", 206, slice(100, 101)),
        ("bytes=5-2", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("bytes=999999999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
    ],
)
def test_ranges(media: Media, header: str, status: int, part: slice) -> None:
    lease = grant(media)
    whole = requests.get(lease.url, timeout=10).content
    answer = requests.get(lease.url, headers={"Range": header}, timeout=10)
    assert answer.status_code == status
    if status != 416:
        assert answer.content == whole[part]
    if status == 206:
        start, stop, _ = part.indices(len(whole))
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


def test_conditions(media: Media) -> None:
    lease = grant(media)
    tag = requests.head(lease.url, timeout=10).headers["ETag"]
    assert requests.get(lease.url, headers={"If-None-Match": tag}, timeout=10).status_code == 304
    part = {"Range": "bytes=0-9"}
    assert requests.get(lease.url, headers=part | {"If-Range": tag}, timeout=10).status_code == 206
    assert requests.get(lease.url, headers=part | {"If-Range": '"other"'}, timeout=10).status_code == 200


def test_many_readers_on_kept_connections_get_the_right_bytes(media: Media, iso: Path, tmp_path: Path) -> None:
    lease = grant(media)
    whole = view_of(iso, tmp_path, KICKSTART.encode()).read_bytes()

    def read(number: int) -> bool:
        with requests.Session() as session:
            for step in range(10):
                start = (number * 7919 + step * 104_729) % (len(whole) - 70_000)
                answer = session.get(lease.url, headers={"Range": f"bytes={start}-{start + 65_535}"}, timeout=20)
                if answer.content != whole[start : start + 65_536]:
                    return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(read, range(32)))


def test_progress_counts_distinct_bytes_and_sees_the_kickstart_read(media: Media) -> None:
    lease = grant(media)
    assert (lease.bytes_covered, lease.first_read_at, lease.kickstart_read_at) == (0, None, None)
    for _ in range(3):
        requests.get(lease.url, headers={"Range": "bytes=0-131071"}, timeout=10)
    seen = media.lease(**RUN)
    assert (seen.bytes_served, seen.bytes_covered) == (3 * 131_072, 131_072)
    assert seen.first_read_at and seen.kickstart_read_at is None
    requests.get(lease.url, timeout=10)
    seen = media.lease(**RUN)
    assert seen.bytes_covered == seen.size_bytes and seen.kickstart_read_at


def test_head_alone_is_no_evidence(media: Media) -> None:
    requests.head(grant(media).url, timeout=10)
    assert media.lease(**RUN).first_read_at is None


def test_only_the_leases_own_url_opens_it(media: Media) -> None:
    lease = grant(media)
    base, token, name = lease.url.rsplit("/", 2)
    for url in (f"{base}/{token[:-1]}x/{name}", f"{base}/{token}/../..", f"{base}/", f"{base}/{token}", lease.url[:-4]):
        assert requests.get(url, timeout=10).status_code == 404, url


def test_an_ended_or_expired_lease_is_gone(media: Media, caplog: pytest.LogCaptureFixture) -> None:
    lease = grant(media)
    media.revoke(**RUN)
    media.revoke(**RUN)
    assert requests.get(lease.url, timeout=10).status_code == 410
    other = grant(media, host="esx02", serial="A2", ttl_s=0)
    assert requests.get(other.url, timeout=10).status_code == 410
    assert requests.get(f"{other.callback_url}/pre-ok", timeout=10).status_code == 410
    assert "refused for run-1/esx01: its run has ended" in caplog.text
    assert "refused for run-1/esx02: it has expired" in caplog.text
    assert lease.url.split("/")[-2] not in caplog.text, "a token in the log opens the ISO to whoever reads it"


def test_the_same_run_again_gets_the_same_lease(media: Media) -> None:
    first = grant(media, kickstart="")
    second = grant(media)
    assert second.url == first.url
    assert KICKSTART.encode() in requests.get(second.url, timeout=10).content
    assert grant(media).url == first.url
    with pytest.raises(Conflict, match="was read already"):
        grant(media, kickstart="other")


def test_a_server_is_lent_to_one_live_run(media: Media) -> None:
    grant(media)
    with pytest.raises(Conflict, match="run-1 holds the server A1"):
        grant(media, run="run-2")
    media.revoke(**RUN)
    assert grant(media, run="run-2").run == "run-2"
    with pytest.raises(Conflict, match="run-1 has ended"):
        grant(media, serial="B")


def test_whose_medium_it_is(media: Media) -> None:
    lease = grant(media)
    found = media.lease_of_url(lease.url.replace("127.0.0.1", "10.1.2.3"))
    assert found is not None and found.run == "run-1"
    assert media.lease_of_url("http://elsewhere/m/0123456789012345678901234567890123456789012/x.iso") is None
    assert media.lease_of_url("nfs://x/y") is None


def test_marks_and_call_backs_are_kept_in_order(media: Media) -> None:
    lease = grant(media)
    media.mark(**RUN, name="power-on", value="7")
    media.mark(**RUN, name="power-on", value="8")
    requests.get(f"{lease.callback_url}/pre-failed", params={"text": "2 disks\nmatch " + "x" * 900}, timeout=10)
    assert requests.get(f"{lease.callback_url}/nonsense", timeout=10).status_code == 404
    seen = media.lease(**RUN)
    mark = seen.mark("power-on")
    assert mark is not None and mark.value == "8"
    assert [c.event for c in seen.callbacks] == ["pre-failed"]
    assert seen.callbacks[0].text.startswith("2 disks match x") and len(seen.callbacks[0].text) == 500


def test_a_flood_of_call_backs_is_bounded(media: Media) -> None:
    lease = grant(media)
    with requests.Session() as session:
        for _ in range(250):
            session.get(f"{lease.callback_url}/pre-ok", timeout=10)
        session.get(f"{lease.callback_url}/post-ok", timeout=10)
    media.mark(**RUN, name="mount")
    seen = media.lease(**RUN)
    assert [c.event for c in seen.callbacks] == ["pre-ok"] * 20 + ["post-ok"]
    assert seen.mark("mount"), "what steps note is not theirs to crowd out"


def test_a_restart_loses_nothing(tmp_path: Path, iso: Path) -> None:
    with service(tmp_path) as at, Media(at.control_url, TOKEN) as media:
        media.add_iso(iso, upload=False)
        lease = grant(media)
        media.mark(**RUN, name="mount")
        before = requests.get(lease.url, timeout=10).content
        served = media.lease(**RUN)
    with service(tmp_path, port_of(at.public_url)) as again, Media(again.control_url, TOKEN) as media:
        seen = media.lease(**RUN)
        same = {
            "bytes_served",
            "bytes_covered",
            "first_read_at",
            "kickstart_read_at",
            "marks",
            "expires_at",
            "size_bytes",
        }
        assert seen.model_dump(include=same) == served.model_dump(include=same)
        assert requests.get(seen.url, timeout=10).content == before
        assert grant(media).url == seen.url


def test_upload_keeps_the_iso_and_nothing_else(media: Media, tmp_path: Path, iso: Path) -> None:
    copy = tmp_path / "other-name.iso"
    copy.write_bytes(iso.read_bytes())
    assert media.add_iso(copy).name == "other-name.iso"
    copy.unlink()
    assert [held.name for held in media.isos()] == ["other-name.iso"], "the same content is held once"
    (tmp_path / "bad.iso").write_bytes(b"no ISO at all" * 5000)
    with pytest.raises(VerifyFailed, match="not an ISO 9660 image"):
        media.add_iso(tmp_path / "bad.iso")
    assert len(list((tmp_path / "isos").iterdir())) == 1


def test_refused_isos(media: Media, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"hera media add nowhere\.iso"):
        media.iso("nowhere.iso")
    with pytest.raises(NotFound, match="cannot be read"):
        media.add_iso(tmp_path / "missing.iso", upload=False)
    (tmp_path / "a b.iso").write_bytes(b"")
    with pytest.raises(Unsupported, match="no name for an ISO"):
        media.add_iso(tmp_path / "a b.iso")


def test_an_iso_that_changed_is_not_served_wrong(at: Ready, tmp_path: Path, iso: Path) -> None:
    mine = tmp_path / "mine.iso"
    mine.write_bytes(iso.read_bytes())
    with Media(at.control_url, TOKEN) as media:
        media.add_iso(mine, upload=False)
        lease = grant(media)
        mine.write_bytes(iso.read_bytes()[:-2048])
        assert requests.get(lease.url, timeout=10).status_code == 503


def test_another_iso_under_a_leased_name_is_refused(at: Ready, tmp_path: Path, iso: Path) -> None:
    esxi_tree(tmp_path / "tree", files=3)
    other = genisoimage(tmp_path / "tree", tmp_path / iso.name)
    with Media(at.control_url, TOKEN) as media:
        media.add_iso(iso, upload=False)
        grant(media)
        with pytest.raises(Conflict, match="is in use"):
            media.add_iso(other, upload=False)
        media.revoke(**RUN)
        assert media.add_iso(other, upload=False).sha256 == media.iso(iso.name).sha256
        assert media.lease(**RUN).revoked, "a lease which has ended still tells of itself"


def test_a_wrong_token_and_a_dead_service_are_told_apart(at: Ready) -> None:
    with Media(at.control_url, "wrong") as media, pytest.raises(AccessDenied, match="token is wrong"):
        media.isos()
    with Media("http://127.0.0.1:9", TOKEN) as media, pytest.raises(Unavailable, match="does not answer"):
        media.isos()
    with Media(at.public_url, TOKEN) as media, pytest.raises(Unavailable, match="does not answer"):
        media.isos()


@pytest.mark.parametrize(
    "call", [lambda m: m.lease(**RUN), lambda m: m.revoke(**RUN), lambda m: m.mark(**RUN, name="x")]
)
def test_what_was_never_granted_is_not_found(media: Media, call: Callable[[Media], object]) -> None:
    with pytest.raises(NotFound, match="run-1 has no ISO for esx01"):
        call(media)


def test_range_arithmetic() -> None:
    assert byte_range("bytes=0-0", 10) == (0, 1)
    assert byte_range("bytes=-20", 10) == (0, 10)
    assert byte_range("bytes=3-99", 10) == (3, 10)
    assert byte_range("bytes=10-", 10) == "outside"
    assert byte_range("bytes=-", 10) is None


def test_coverage_arithmetic() -> None:
    bitmap = bytearray()
    cover(bitmap, 0, 0)
    cover(bitmap, 9, 17)
    cover(bitmap, 9, 10)
    assert covered_bytes(bitmap, 10**9) == 10 * 65_536
    assert covered_bytes(bitmap, 100_000) == 100_000
