"""The S3 client against a real S3 server, with a relay in between that fails on request."""

import hashlib
import io
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steps.clients import s3
from steps.clients.s3 import MIB, Bucket, Stored, Upload, part_bytes
from steps.clients.s3_faults import _refusal
from steps.domain.errors import (
    AccessDenied,
    Conflict,
    HerasphereError,
    NotFound,
    Unavailable,
    Unsupported,
    VerifyFailed,
)
from steps.domain.ova import FileTarget, OvaWriter, most_bytes
from steps.domain.ova.target import Target
from tests.lab.certificates import Authority
from tests.lab.s3 import gateway
from tests.unit.clients.relay import relay
from tests.unit.domain.appliances import appliance, vsphere_vmdk

WHY_NOT = "" if shutil.which("go") else "the S3 server needs go"
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")]

DISK = hashlib.shake_128(b"disk").digest(20 * MIB)  # cannot be compressed: the OVA takes three parts
SMALL = hashlib.shake_128(b"small").digest(MIB)
MADE = appliance(len(DISK), len(SMALL))
STREAMS = {"d0": vsphere_vmdk(DISK), "d1": vsphere_vmdk(SMALL)}
ENVIRONMENT = """
AWS_PROFILE=nobody AWS_ACCESS_KEY_ID=other AWS_SECRET_ACCESS_KEY=other AWS_SESSION_TOKEN=other AWS_DEFAULT_REGION=mars
AWS_ENDPOINT_URL=http://127.0.0.1:1 AWS_CA_BUNDLE=/nowhere AWS_REQUEST_CHECKSUM_CALCULATION=nonsense
HTTP_PROXY=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway.Bucket]:
    with gateway.bucket(tmp_path_factory.mktemp("s3")) as made:
        yield made


def opened(server: gateway.Bucket, **changes: Any) -> Bucket:
    words: dict[str, Any] = {
        "name": server.name,
        "endpoint": server.endpoint,
        "region": server.region,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
        "attempts": 1,
    }
    words |= changes
    return s3.bucket(words.pop("name"), **words)


@pytest.fixture
def bucket(server: gateway.Bucket) -> Bucket:
    return opened(server)


def written_to(target: Target) -> None:
    writer = OvaWriter(target, MADE)
    for disk_id, stream in STREAMS.items():
        with writer.disk(disk_id) as disk:
            for start in range(0, len(stream), 100_000):
                disk.write(stream[start : start + 100_000])
    writer.finish()


def uploads(bucket: Bucket) -> list[str]:
    return [each["Key"] for each in bucket.ask("list_multipart_uploads").get("Uploads", ())]


def test_an_ova_is_byte_for_byte_the_one_in_a_file(bucket: Bucket, server: gateway.Bucket) -> None:
    file = io.BytesIO()
    written_to(FileTarget(file))
    key = "images/box.ova"
    numbers: list[int] = []
    with bucket.writing(key, most_bytes=most_bytes(MADE)) as upload:
        send = upload._upload

        def noted(number: int, data: bytes) -> None:
            numbers.append(number)
            send(number, data)

        upload._upload = noted
        written_to(upload)
        assert bucket.look(key) is None  # nothing is visible before it is whole
        stored = upload.finish()
    assert sorted(numbers) == [1, 2, 3] and numbers[0] != 1
    assert (server.folder / key).read_bytes() == file.getvalue()
    assert bucket.look(key) == stored == Stored(len(file.getvalue()), stored.etag)
    assert bucket.ask("head_object", Key=key)["ContentType"] == "application/x-tar"
    assert uploads(bucket) == []


def test_a_sum_known_before_is_kept_beside_it(bucket: Bucket) -> None:
    sha256 = hashlib.sha256(SMALL).hexdigest()
    with bucket.writing("sent-on", most_bytes=len(SMALL), sha256=sha256) as upload:
        upload.append(SMALL)
        stored = upload.finish()
    assert bucket.look("sent-on") == stored and stored.sha256 == sha256


def test_a_failure_in_the_middle_leaves_nothing(bucket: Bucket, server: gateway.Bucket) -> None:
    with pytest.raises(RuntimeError, match="cut"), bucket.writing("cut.ova", most_bytes=1) as upload:
        upload.append(DISK)
        assert uploads(bucket) == ["cut.ova"]
        raise RuntimeError("cut")
    assert bucket.look("cut.ova") is None and uploads(bucket) == []


def test_what_is_not_finished_is_not_there(bucket: Bucket) -> None:
    with bucket.writing("forgotten", most_bytes=1) as upload:
        upload.append(b"data")
    assert bucket.look("forgotten") is None and uploads(bucket) == []


def test_what_a_dead_pod_left_is_removed_but_nothing_else(bucket: Bucket) -> None:
    for key in ("dead.ova", "dead.ova", "dead.ova.other"):
        upload = bucket.ask("create_multipart_upload", Key=key)["UploadId"]
        bucket.ask("upload_part", Key=key, UploadId=upload, PartNumber=2, Body=SMALL)
    assert bucket.abandoned("dead.ova") == 2
    assert uploads(bucket) == ["dead.ova.other"]
    assert (bucket.abandoned("dead.ova"), bucket.abandoned("dead.ova.other")) == (0, 1)


def test_a_small_file_is_put_with_its_sum(bucket: Bucket, server: gateway.Bucket) -> None:
    stored = bucket.put("images/manifest.json", b"{}")
    assert bucket.look("images/manifest.json") == stored
    assert stored.sha256 == hashlib.sha256(b"{}").hexdigest()
    assert (server.folder / "images/manifest.json").read_bytes() == b"{}"
    assert bucket.ask("head_object", Key="images/manifest.json")["ContentType"] == "application/json"


def test_an_object_is_read_as_a_stream(bucket: Bucket) -> None:
    bucket.put("small", SMALL)
    with bucket.reading("small") as body:
        pieces = [*iter(lambda: body.read(100_000), b"")]
    assert b"".join(pieces) == SMALL and len(pieces) == 11
    with pytest.raises(NotFound), bucket.reading("nothing"):
        pass


def test_a_stream_that_is_cut_is_told(server: gateway.Bucket) -> None:
    opened(server).put("cut", SMALL)
    with relay(server.address, lambda method, path: None, cut_bytes=1000) as endpoint:
        bucket = opened(server, endpoint=endpoint)
        with pytest.raises(Unavailable, match="cut"), bucket.reading("cut") as body:
            while body.read(100):
                pass


@pytest.mark.parametrize("failure", [503, 500, 0])
def test_a_part_is_sent_again_after_a_fault_that_passes(server: gateway.Bucket, failure: int) -> None:
    failed: list[str] = []

    def fails(method: str, path: str) -> int | None:
        if method == "PUT" and "partNumber=2" in path and not failed:
            failed.append(path)
            return failure
        return None

    with relay(server.address, fails) as endpoint:
        bucket = opened(server, endpoint=endpoint, attempts=3)
        with bucket.writing("again", most_bytes=1) as upload:
            upload.append(DISK)
            upload.finish()
    assert failed
    assert (server.folder / "again").read_bytes() == DISK


def test_a_completion_whose_answer_was_lost_is_whole(server: gateway.Bucket) -> None:
    """The server has done it; tried again, it knows no such upload."""
    lost: list[str] = []

    def fails(method: str, path: str) -> int | None:
        if method == "POST" and "uploadId=" in path and not lost:
            lost.append(path)
            direct = opened(server)
            (each,) = direct.ask("list_multipart_uploads", Prefix="lost")["Uploads"]
            parts = direct.ask("list_parts", Key="lost", UploadId=each["UploadId"])["Parts"]
            done = {"Parts": [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]}
            direct.ask("complete_multipart_upload", Key="lost", UploadId=each["UploadId"], MultipartUpload=done)
            return 0
        return None

    with relay(server.address, fails) as endpoint:
        bucket = opened(server, endpoint=endpoint, attempts=3)
        with bucket.writing("lost", most_bytes=1) as upload:
            upload.append(DISK)
            stored = upload.finish()
    assert lost and stored.size_bytes == len(DISK)


def test_a_server_that_stays_down_is_told_and_the_upload_is_ended(server: gateway.Bucket) -> None:
    with relay(server.address, lambda method, path: 503 if "partNumber=" in path else None) as endpoint:
        bucket = opened(server, endpoint=endpoint)
        with pytest.raises(Unavailable, match="fails just now"), bucket.writing("down", most_bytes=1) as upload:
            upload.append(DISK)
    assert uploads(opened(server)) == []


def test_an_upload_that_somebody_ended(bucket: Bucket) -> None:
    with pytest.raises(Conflict, match="ended"), bucket.writing("ended", most_bytes=1) as upload:
        bucket.abandoned("ended")
        upload.append(DISK)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"secret_key": "wrong-and-never-shown"}, AccessDenied, "keys are not accepted"),
        ({"access_key": "nobody-and-never-shown"}, AccessDenied, "keys are not accepted"),
        ({"name": "nowhere"}, NotFound, "make the bucket"),
        ({"endpoint": "http://127.0.0.1:1"}, Unavailable, "cannot be reached"),
        ({"endpoint": "nonsense"}, Unsupported, "the endpoint"),
        ({"region": "no region"}, Unsupported, "region"),
        ({"name": "Not/A/Name"}, Unsupported, "no such request"),
    ],
)  # fmt: skip
def test_each_error(server: gateway.Bucket, changes: dict[str, str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as told:
        opened(server, **changes).put("x", b"")
    keys = {"access_key": server.access_key, "secret_key": server.secret_key} | changes
    assert not [name for name in ("access_key", "secret_key") if keys[name] in str(told.value)]


def test_head_tells_a_missing_bucket_from_a_missing_object(server: gateway.Bucket) -> None:
    with pytest.raises(NotFound):
        opened(server, name="nowhere").look("x")
    with pytest.raises(AccessDenied):
        opened(server, secret_key="wrong").look("x")


def test_a_certificate_that_is_not_trusted(server: gateway.Bucket, tmp_path: Path) -> None:
    authority = Authority("lab")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1", tmp_path))
    (tmp_path / "ca.pem").write_text(authority.pem)
    with relay(server.address, lambda *_: None, context) as endpoint:
        with pytest.raises(VerifyFailed, match="not trusted"):
            opened(server, endpoint=endpoint).look("x")
        assert opened(server, endpoint=endpoint, ca_file=tmp_path / "ca.pem").look("x") is None


def test_nothing_of_the_environment_counts(
    server: gateway.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default\n")  # who reads it fails
    for line in ENVIRONMENT.split():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)
    opened(server).put("own", b"x")
    assert s3.bucket("b", region="eu-west-1", access_key="a", secret_key="b")._client.meta.endpoint_url == (
        "https://s3.eu-west-1.amazonaws.com"
    )


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("SlowDown", 503, Unavailable), ("Whatever", 502, Unavailable), ("NoSuchKey", 404, NotFound),
        ("AccessDenied", 403, AccessDenied),
        ("RequestTimeTooSkewed", 403, AccessDenied),
        ("QuotaExceeded", 400, Conflict),
        ("", 507, Conflict),
        ("PermanentRedirect", 301, Unsupported),
        ("AuthorizationHeaderMalformed", 400, Unsupported),
        ("InvalidArgument", 400, Unsupported),
    ],
)  # fmt: skip
def test_answers_that_the_lab_does_not_give(code: str, status: int, error: type[HerasphereError]) -> None:
    answer = {"Error": {"Code": code, "Message": "KEY is bad"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    made = _refusal(answer, "bucket b", ["KEY"])
    assert type(made) is error and made.hint and "KEY" not in str(made)


@pytest.mark.parametrize(("planned", "mib"), [(0, 8), (80_000 * MIB, 8), (80_000 * MIB + 1, 9), (5 * 2**40, 525)])
def test_parts_are_as_large_as_their_number_asks_for(planned: int, mib: int) -> None:
    assert part_bytes(planned) == mib * MIB
    assert part_bytes(planned) * 10_000 >= planned


def test_more_than_was_planned_is_refused(bucket: Bucket) -> None:
    with pytest.raises(VerifyFailed, match="10000 parts"):
        Upload(bucket, "k", "u", 1, "")._upload_part(10_001, b"x")
