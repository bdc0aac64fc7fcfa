"""What becomes of an OVA: checked and told of, in a bucket, in a folder and a bucket at once, in a content library."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steps.clients.vsphere import library
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable, VerifyFailed
from steps.domain.image.plan import AppliancePlan
from steps.export import export_ova, publish, write_manifest
from tests.lab.s3 import gateway
from tests.lab.vcenter.fixture import why_not
from tests.steps.images.lab import OVA, Lab
from tests.unit.clients.relay import relay

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway.Bucket]:
    with gateway.bucket(tmp_path_factory.mktemp("s3")) as made:
        yield made


@pytest.fixture
def objects(bucket: gateway.Bucket, lab: Lab) -> Path:
    """The bucket's folder that this run's objects come to."""
    return bucket.folder / lab.name


def s3(lab: Lab, at: gateway.Bucket, **changes: str) -> str:
    """Settings of the bucket."""
    keys = "access_key: {env: S3_ACCESS}, secret_key: {env: S3_SECRET}"
    words = {"endpoint": at.endpoint, "bucket": at.name, "prefix": lab.name} | changes
    return f"s3: {{{', '.join(f'{key}: {value}' for key, value in words.items())}, {keys}}}\n"


def exported(lab: Lab, plan: AppliancePlan, vm: str) -> Any:
    return lab.do(export_ova, plan, vm=vm)


def told(lab: Lab, plan: AppliancePlan, vm: str) -> Any:
    return lab.do(write_manifest, plan, vm=vm)


def test_what_is_told_of_an_ova_is_what_it_is(lab: Lab, plan: AppliancePlan, vm: str, out: Path) -> None:
    size_bytes = exported(lab, plan, vm).size_bytes
    made = told(lab, plan, vm)
    content = (out / "box.ova").read_bytes()
    manifest = json.loads(made.manifest)
    assert made.sha256 == manifest["artifact"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["artifact"]["size_bytes"] == size_bytes == len(content)
    assert [each["file"] for each in manifest["artifact"]["members"]] == ["box.ovf", "box.mf", "box-disk1.vmdk"]
    assert (manifest["run"], manifest["os"], manifest["properties"]) == (lab.run, "Lab Linux 1", ["ip", "secret"])
    names = ["box.ova", "box.ova.sha256", "manifest.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "box.ova.sha256").read_text() == f"{made.sha256}  box.ova\n"
    assert told(lab, plan, vm).sha256 == made.sha256
    assert sorted(path.name for path in out.iterdir()) == names


def test_an_ova_that_was_damaged_is_told_of_by_nothing(lab: Lab, plan: AppliancePlan, vm: str, out: Path) -> None:
    exported(lab, plan, vm)
    file = out / "box.ova"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(VerifyFailed, match=r"box-disk1\.vmdk") as caught:
        told(lab, plan, vm)
    assert (caught.value.exit_code, caught.value.where) == (14, "box.ova")
    assert [path.name for path in out.iterdir()] == ["box.ova"]
    file.write_bytes(content[:-2000])
    with pytest.raises(VerifyFailed):
        told(lab, plan, vm)
    file.unlink()
    with pytest.raises(NotFound, match="No such file") as gone:
        told(lab, plan, vm)
    assert gone.value.where == str(file)


def test_a_folder_and_a_bucket_get_the_same_ova(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, bucket: gateway.Bucket, objects: Path
) -> None:
    both = lab.appliance(f"{OVA}output_dir: {out}\n{s3(lab, bucket)}")
    size_bytes = exported(lab, both, vm).size_bytes
    made = told(lab, both, vm)
    for name in ("box.ova", "manifest.json", "box.ova.sha256"):
        assert (objects / name).read_bytes() == (out / name).read_bytes()
    places = lab.do(publish, both, sha256=made.sha256, size_bytes=size_bytes).places
    assert places == [f"{out}/box.ova", f"s3://{bucket.name}/{lab.name}/box.ova"]


def test_a_bucket_alone_is_enough(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, bucket: gateway.Bucket, objects: Path
) -> None:
    alone = lab.appliance(f"{OVA}{s3(lab, bucket)}")
    exported(lab, alone, vm)
    first = told(lab, alone, vm)
    assert first.sha256 == hashlib.sha256((objects / "box.ova").read_bytes()).hexdigest()
    (objects / "box.ova").write_bytes(b"damaged" * 1000)
    with pytest.raises(VerifyFailed):
        told(lab, alone, vm)
    exported(lab, alone, vm)
    told(lab, alone, vm)
    assert not out.exists()


def both_fail(lab: Lab, plan: AppliancePlan, vm: str, out: Path, objects: Path) -> HerasphereError:
    """Why nothing was exported; and nothing is in either place."""
    with pytest.raises(HerasphereError) as caught:
        exported(lab, plan, vm)
    assert not out.exists() or list(out.iterdir()) == []
    assert not (objects / "box.ova").exists() and lab.leases() == []
    assert caught.value.where and caught.value.hint
    return caught.value


def test_what_fails_in_one_place_is_in_none(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, bucket: gateway.Bucket, objects: Path
) -> None:
    both = lab.appliance(f"{OVA}output_dir: {out}\n{s3(lab, bucket)}")
    lab.vc.fault("drop-nfc@1000")
    assert isinstance(both_fail(lab, both, vm, out, objects), Unavailable)
    with relay(bucket.address, lambda method, path: 503 if "partNumber" in path else None) as url:
        failing = lab.appliance(f"{OVA}output_dir: {out}\n{s3(lab, bucket, endpoint=url)}")
        assert isinstance(both_fail(lab, failing, vm, out, objects), Unavailable)
    exported(lab, both, vm)
    assert (objects / "box.ova").read_bytes() == (out / "box.ova").read_bytes()


def test_a_folder_that_is_full_only_in_the_end(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, bucket: gateway.Bucket, objects: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    both = lab.appliance(f"{OVA}output_dir: {out}\n{s3(lab, bucket)}")
    monkeypatch.setattr(os, "fsync", full)
    error = both_fail(lab, both, vm, out, objects)
    assert isinstance(error, Conflict) and (error.what, error.where) == ("there is no room", str(out))


def test_a_bucket_that_is_not_there_or_not_ours(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, bucket: gateway.Bucket, objects: Path
) -> None:
    nowhere = lab.appliance(f"{OVA}{s3(lab, bucket, bucket='nowhere')}")
    assert isinstance(both_fail(lab, nowhere, vm, out, objects), NotFound)
    wrong = lab.appliance(f"{OVA}{s3(lab, bucket)}")
    for file in lab.secrets.rglob("*S3_SECRET*"):
        file.write_text("another-and-never-shown")
    error = both_fail(lab, wrong, vm, out, objects)
    assert isinstance(error, AccessDenied) and "never-shown" not in str(error)


def published(lab: Lab, plan: AppliancePlan, vm: str) -> Any:
    size_bytes = exported(lab, plan, vm).size_bytes
    return lab.do(publish, plan, sha256=told(lab, plan, vm).sha256, size_bytes=size_bytes)


def test_a_library_has_the_ova_as_one_item(lab: Lab, plan: AppliancePlan, vm: str, out: Path, shelf: str) -> None:
    shown = lab.appliance(f"{OVA}output_dir: {out}\ncontent_library: {{name: {shelf}, item: boxes}}\n")
    first = published(lab, shown, vm)
    assert first.places == [f"{out}/box.ova", f"content library {shelf}/boxes"]
    with lab.site() as site:
        item = library.item(site.vsphere, f"{shelf}/boxes")
        assert published(lab, shown, vm).places == first.places
        assert library.item(site.vsphere, f"{shelf}/boxes") == item


def test_a_library_gets_the_ova_out_of_the_bucket(
    lab: Lab, plan: AppliancePlan, vm: str, bucket: gateway.Bucket, objects: Path, shelf: str
) -> None:
    shown = lab.appliance(f"{OVA}{s3(lab, bucket)}content_library: {{name: {shelf}}}\n")
    assert published(lab, shown, vm).places[1] == f"content library {shelf}/box"
    with lab.site() as site:
        assert library.item(site.vsphere, f"{shelf}/box")


def test_what_is_not_what_was_checked_is_not_published(
    lab: Lab, plan: AppliancePlan, vm: str, out: Path, shelf: str
) -> None:
    shown = lab.appliance(f"{OVA}output_dir: {out}\ncontent_library: {{name: {shelf}}}\n")
    size_bytes = exported(lab, shown, vm).size_bytes
    with pytest.raises(VerifyFailed, match="size or sum"):
        lab.do(publish, shown, sha256="0" * 64, size_bytes=size_bytes)
    with lab.site() as site, pytest.raises(NotFound, match="no item"):
        library.item(site.vsphere, f"{shelf}/box")


def test_a_library_that_is_not_there(lab: Lab, plan: AppliancePlan, vm: str, out: Path, shelf: str) -> None:
    shown = lab.appliance(f"{OVA}output_dir: {out}\ncontent_library: {{name: nowhere}}\n")
    with pytest.raises(NotFound, match="no content library 'nowhere'") as caught:
        published(lab, shown, vm)
    assert shelf in caught.value.hint
