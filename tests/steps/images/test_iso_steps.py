"""An ISO on its way into the datastore: once, whole, the right one, or nothing of it."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from steps.build import fetch_iso, upload_iso
from steps.clients import download
from steps.domain.errors import Conflict, HerasphereError, NotFound, Unavailable, VerifyFailed
from steps.domain.image.plan import BuildPlan
from steps.domain.wait import wait_until
from tests.lab.vcenter.fixture import why_not
from tests.lab.vcenter.vcenter import DATASTORE, vcenter
from tests.steps.images.lab import Lab
from tests.steps.images.mirror import Mirror, mirror

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

DEAD = "http://127.0.0.1:9"  # discard: nobody listens there


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    with mirror() as made:
        yield made


@pytest.fixture
def iso(lab: Lab) -> bytes:
    """An ISO that no other test has in the cache."""
    return hashlib.shake_128(lab.run.encode()).digest(3 << 20)


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plan_of(lab: Lab, *urls: str, checksum: str) -> BuildPlan:
    return lab.plan(f"iso_url: [{', '.join(urls)}]\niso_checksum: {checksum}\n")


def fetched(lab: Lab, plan: BuildPlan) -> Any:
    return lab.do(fetch_iso, plan)


def failure(lab: Lab, plan: BuildPlan) -> HerasphereError:
    """Why nothing was fetched; and nothing is there."""
    before = lab.cached()
    with pytest.raises(HerasphereError) as caught:
        fetched(lab, plan)
    assert lab.cached() == before
    assert caught.value.where and caught.value.hint
    return caught.value


def content_of(lab: Lab, path: str) -> bytes:
    return (lab.vc.datastore_folder / path.removeprefix(f"[{DATASTORE}] ")).read_bytes()


def test_an_iso_is_fetched_once(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content["lab.iso"] = iso
    plan = plan_of(lab, f"{web.url}/lab.iso", checksum=sum_of(iso))
    first = fetched(lab, plan)
    assert (first.action, content_of(lab, first.iso)) == ("fetched", iso)
    again = fetched(lab, plan)
    assert (again.action, again.iso) == ("found", first.iso)
    assert web.asked == ["lab.iso"]
    assert lab.do(upload_iso, plan, fetched=first.iso).iso == first.iso


def test_another_run_finds_what_was_fetched(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content["lab.iso"] = iso
    fetched(lab, plan_of(lab, f"{web.url}/lab.iso", checksum=sum_of(iso)))
    other = Lab(lab.vc, lab.folder, lab.secrets, lab.media)
    assert fetched(other, plan_of(other, f"{web.url}/lab.iso", checksum=sum_of(iso))).action == "found"
    assert web.asked == ["lab.iso"]


def test_an_iso_that_nobody_can_check_is_its_run_s_own_and_fetched_once(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content["lab.iso"] = iso
    plan = plan_of(lab, f"{web.url}/lab.iso", checksum="none")
    first = fetched(lab, plan)
    assert f"/run-{lab.run}/" in first.iso and first.evidence.endswith("not checked")
    assert fetched(lab, plan).action == "found"
    assert web.asked == ["lab.iso"]


def test_of_an_iso_with_another_checksum_nothing_remains(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content["lab.iso"] = iso
    error = failure(lab, plan_of(lab, f"{web.url}/lab.iso", checksum="0" * 64))
    assert isinstance(error, VerifyFailed) and error.exit_code == 14
    assert sum_of(iso) in error.what and "0" * 64 in error.what and "iso_checksum" in error.hint
    assert error.where == f"{web.url}/lab.iso"


def test_of_several_mirrors_the_first_that_has_the_right_one(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content |= {"wrong.iso": iso[::-1], "lab.iso": iso}
    urls = [f"{DEAD}/lab.iso", f"{web.url}/gone.iso", f"{web.url}/wrong.iso", f"{web.url}/lab.iso"]
    done = fetched(lab, plan_of(lab, *urls, checksum=sum_of(iso)))
    assert content_of(lab, done.iso) == iso and done.evidence.endswith("checksum right")
    assert web.asked == ["gone.iso", "wrong.iso", "lab.iso"]
    assert [path for path in lab.cached() if lab.run in path] == []


def test_mirrors_that_all_fail_are_told_each_with_its_reason(lab: Lab, web: Mirror, iso: bytes) -> None:
    gone = failure(lab, plan_of(lab, f"{web.url}/a.iso", f"{web.url}/b.iso", checksum=sum_of(iso)))
    assert isinstance(gone, NotFound)
    assert f"{web.url}/a.iso: HTTP 404" in gone.what and f"{web.url}/b.iso: HTTP 404" in gone.what
    passes = failure(lab, plan_of(lab, f"{web.url}/a.iso", f"{DEAD}/a.iso", checksum=sum_of(iso)))
    assert isinstance(passes, Unavailable) and passes.exit_code == 75


def test_a_download_that_is_cut_goes_on_where_it_was(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content["lab.iso"] = iso
    web.cuts = [1 << 20]
    done = fetched(lab, plan_of(lab, f"{web.url}/lab.iso", checksum=sum_of(iso)))
    assert content_of(lab, done.iso) == iso
    assert web.asked == ["lab.iso", f"lab.iso from {1 << 20}"]


def test_a_download_that_is_cut_again_and_again_leaves_nothing(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content["lab.iso"] = iso
    web.cuts = [1 << 20] + [0] * 20
    error = failure(lab, plan_of(lab, f"{web.url}/lab.iso", checksum=sum_of(iso)))
    assert isinstance(error, Unavailable) and "broke off" in error.what


def test_a_session_that_ends_while_an_iso_comes(lab: Lab, web: Mirror, iso: bytes) -> None:
    web.content["lab.iso"] = iso
    ended: list[int] = []

    def end() -> None:
        begun = partial(wait_until, what="the upload's begin", where="-", hint="-", timeout_s=30, every_s=0.02)
        begun(lambda: any(path.endswith(f"{lab.run}.part") for path in lab.cached()))
        ended.append(lab.end_sessions())

    web.on_half = end
    done = fetched(lab, plan_of(lab, f"{web.url}/lab.iso", checksum=sum_of(iso)))
    assert ended == [1] and content_of(lab, done.iso) == iso


@pytest.mark.parametrize("call", ["MoveDatastoreFile_Task", "MakeDirectory", "RefreshDatastore"])
def test_a_vcenter_that_fails_leaves_nothing_and_is_no_mirror_s_fault(
    lab: Lab, web: Mirror, iso: bytes, call: str
) -> None:
    web.content["lab.iso"] = iso
    plan = plan_of(lab, f"{web.url}/lab.iso", f"{web.url}/other.iso", checksum=sum_of(iso))
    lab.vc.fault(f"{call}=SystemError")
    error = failure(lab, plan)
    assert isinstance(error, Unavailable) and "vCenter failed (A general system error" in error.what
    assert fetched(lab, plan).action == "fetched"
    assert "other.iso" not in web.asked


def test_a_datastore_without_room_for_it(lab: Lab, web: Mirror, iso: bytes, tmp_path: Path) -> None:
    web.content["lab.iso"] = iso
    with vcenter(tmp_path / "small", capacity_bytes=1 << 20) as small:
        lab.vc = small
        error = failure(lab, plan_of(lab, f"{web.url}/lab.iso", f"{DEAD}/lab.iso", checksum=sum_of(iso)))
    assert isinstance(error, Conflict) and error.exit_code == 11
    assert "3 MiB" in error.what and "room for 1" in error.what and DATASTORE in error.where


def test_a_file_of_the_desk_is_left_to_the_upload_and_sent_once(lab: Lab, iso: bytes) -> None:
    file = lab.folder / "lab.iso"
    file.write_bytes(iso)
    plan = plan_of(lab, "lab.iso", checksum=sum_of(iso))
    left = fetched(lab, plan)
    assert (left.action, left.iso) == ("left to upload_iso", "")
    first = lab.do(upload_iso, plan, fetched=left.iso)
    assert (first.action, content_of(lab, first.iso)) == ("uploaded", iso)
    file.unlink()  # so that nothing can be sent
    again = lab.do(upload_iso, plan, fetched=left.iso)
    assert (again.action, again.iso) == ("found", first.iso)
    assert fetched(lab, plan).action == "found"


def test_a_file_that_is_another_or_gone(lab: Lab, iso: bytes) -> None:
    file = lab.folder / "lab.iso"
    file.write_bytes(iso)
    plan, before = plan_of(lab, "lab.iso", checksum="0" * 64), lab.cached()
    with pytest.raises(VerifyFailed, match=sum_of(iso)) as wrong:
        lab.do(upload_iso, plan)
    assert wrong.value.where == str(file)
    file.unlink()
    with pytest.raises(NotFound, match="No such file") as gone:
        lab.do(upload_iso, plan)
    assert gone.value.where == str(file) and "http://" in gone.value.hint
    assert lab.cached() == before


def test_an_iso_that_lies_in_a_datastore_already(lab: Lab) -> None:
    done = fetched(lab, lab.plan())
    assert (done.action, done.iso) == ("found", f"[{DATASTORE}] lab.iso")
