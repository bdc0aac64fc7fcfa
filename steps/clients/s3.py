"""A bucket of an S3 server, AWS or one's own: the only importer of the S3 client, which is the extra `s3`.

bucket(...)  ->  Bucket;  Bucket.writing(key, ...)  ->  Upload, a target for the OVA writer

Nothing of the environment and no ~/.aws counts: what is asked for is what the settings say.
"""

import hashlib
import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.clients.s3_faults import EXTRA_HINT, translated
from steps.domain.errors import Conflict, HerasphereError, NotFound, Unsupported, VerifyFailed
from steps.domain.ova import PartsTarget

MIB = 2**20
LEAST_PART_BYTES = 8 * MIB  # S3 refuses less than 5, but for the last one
MOST_PARTS = 10_000
OVA_TYPE, JSON_TYPE = "application/x-tar", "application/json"
SHA256 = "sha256"  # name of the metadata
CONNECT_WITHIN_S, ANSWER_WITHIN_S = 10.0, 120.0
ATTEMPTS = 5  # of a request, with growing pauses, where the fault is one that passes
ENVIRONMENT_FILES = {"config_file": os.devnull, "credentials_file": os.devnull}


@dataclass(frozen=True)
class Stored:
    """An object. etag: without its quotes; sha256: hex, empty if nobody knew it when writing began"""

    size_bytes: int
    etag: str
    sha256: str = ""


def bucket(
    name: str,
    *,
    region: str,
    access_key: str,
    secret_key: str,
    endpoint: str = "",
    ca_file: Path | None = None,
    attempts: int = ATTEMPTS,
) -> "Bucket":
    """The bucket as this user; nothing is asked yet.

    endpoint: URL of a server of one's own; empty: AWS
    ca_file:  PEM, to verify the server with; None: the public authorities
    """
    where = f"bucket {name} at {endpoint or 'AWS'}"
    with translated(where, (access_key, secret_key)):
        try:
            client = _client(region, access_key, secret_key, endpoint, ca_file, attempts)
        except ImportError as error:
            raise Unsupported("S3 needs the package botocore", where=where, hint=EXTRA_HINT) from error
        except ValueError as error:
            hint = "s3.endpoint is like https://s3.example.com:9000, s3.region like us-east-1"
            raise Unsupported("the endpoint or region is no such", where=where, hint=hint) from error
    return Bucket(client, name, where, (access_key, secret_key))


class Bucket:
    """Made by `bucket`. All errors are this project's own; none holds a key of the user."""

    def __init__(self, client: Any, name: str, where: str, secrets: tuple[str, str]) -> None:
        self._client = client
        self._secrets = secrets
        self.name = name
        self.where = where

    def look(self, key: str) -> Stored | None:
        """What is there; None if nothing is. NotFound if there is no such bucket."""
        try:
            answer = self.ask("head_object", Key=key)
        except NotFound:
            self.ask("head_bucket")  # the answer to HEAD has no text that tells them apart
            return None
        sha256 = answer.get("Metadata", {}).get(SHA256, "")
        return Stored(answer["ContentLength"], _bare(answer["ETag"]), sha256)

    def put(self, key: str, data: bytes, content_type: str = JSON_TYPE) -> Stored:
        """The object holds this small content, in the place of any that was there."""
        sha256 = hashlib.sha256(data).hexdigest()
        answer = self.ask(
            "put_object",
            Key=key,
            Body=data,
            ContentMD5=_md5(data),
            ContentType=content_type,
            Metadata={SHA256: sha256},
        )
        return Stored(len(data), _bare(answer["ETag"]), sha256)

    def abandoned(self, key: str) -> int:
        """How many uploads of this very key were under way, by whoever; they are gone now, and their parts with them.

        For what a dead pod has left, before one's own begins: it would be paid for until somebody looks.
        """
        gone = 0
        for upload in list(self._uploads(key)):
            with suppress(Conflict):  # ended meanwhile
                self.ask("abort_multipart_upload", Key=key, UploadId=upload)
                gone += 1
        return gone

    def _uploads(self, key: str) -> Iterator[str]:
        marks: dict[str, str] = {}
        while True:
            answer = self.ask("list_multipart_uploads", Prefix=key, **marks)
            yield from (each["UploadId"] for each in answer.get("Uploads", ()) if each["Key"] == key)
            if not answer.get("IsTruncated"):
                return
            marks = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer.get("NextUploadIdMarker", "")}

    @contextmanager
    def writing(
        self, key: str, *, most_bytes: int, content_type: str = OVA_TYPE, sha256: str = ""
    ) -> Iterator["Upload"]:
        """An upload, whole under its key once `finish` returned; left in any other way, nothing of it is there.

        most_bytes: what it takes at the most, which decides how large its parts are
        sha256:     of the whole, where it is known before (a file that is sent on); kept beside it
        """
        metadata = {SHA256: sha256} if sha256 else {}
        made = self.ask("create_multipart_upload", Key=key, ContentType=content_type, Metadata=metadata)
        upload = Upload(self, key, made["UploadId"], part_bytes(most_bytes), sha256)
        try:
            yield upload
        finally:
            if upload.stored is None:
                with suppress(HerasphereError):  # what went wrong before is the cause; `abandoned` comes after it
                    self.ask("abort_multipart_upload", Key=key, UploadId=made["UploadId"])

    @contextmanager
    def reading(self, key: str) -> Iterator["Body"]:
        """The object's content, from the front; NotFound if there is none."""
        with closing(self.ask("get_object", Key=key)["Body"]) as stream:
            yield Body(self, key, stream)

    def translated(self, key: str = "") -> AbstractContextManager[None]:
        """Raise this project's errors in place of the client's. key: of the object it is about"""
        return translated(f"{key} in {self.where}" if key else self.where, self._secrets)

    def ask(self, call: str, **words: Any) -> Mapping[str, Any]:
        """The answer to a call of the S3 client, on this bucket."""
        with self.translated(words.get("Key", "")):
            method: Callable[..., Mapping[str, Any]] = getattr(self._client, call)
            return method(Bucket=self.name, **words)


class Body:
    """An object's content as a stream. Made by `Bucket.reading`."""

    def __init__(self, bucket: Bucket, key: str, stream: Any) -> None:
        self._bucket = bucket
        self._key = key
        self._stream = stream

    def read(self, size_bytes: int, /) -> bytes:
        """At most so many bytes, none at the end; Unavailable if it was cut."""
        with self._bucket.translated(self._key):
            return bytes(self._stream.read(size_bytes))


class Upload(PartsTarget):
    """A target for the OVA writer, not for several threads at once. Made by `Bucket.writing`."""

    def __init__(self, bucket: Bucket, key: str, upload: str, part_bytes: int, sha256: str) -> None:
        super().__init__(self._upload_part, part_bytes=part_bytes)
        self._bucket = bucket
        self._key = key
        self._id = upload
        self._sha256 = sha256
        self._etags: dict[int, str] = {}
        self.stored: Stored | None = None

    def finish(self) -> Stored:
        """What is under the key now: everything. Every reserved place must be filled."""
        self.close()
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(self._etags.items())]
        whole = Stored(self.size_bytes, self._etag_of_all(), self._sha256)
        try:
            self._bucket.ask(
                "complete_multipart_upload", Key=self._key, UploadId=self._id, MultipartUpload={"Parts": parts}
            )
        except Conflict:  # tried again by itself, the second time it says that there is no such upload
            if self._bucket.look(self._key) != whole:
                raise
        found = self._bucket.look(self._key)
        if found is None or found.size_bytes != whole.size_bytes:
            what = f"the object has {found.size_bytes if found else 'no'} bytes, {whole.size_bytes} were sent"
            where = f"{self._key} in {self._bucket.where}"
            raise VerifyFailed(what, where=where, hint="does somebody else write there?")
        self.stored = found
        return found

    def _upload_part(self, number: int, data: bytes) -> None:
        if number > MOST_PARTS:
            what = f"more than {MOST_PARTS} parts of {len(data)} bytes"
            raise VerifyFailed(what, where=f"{self._key} in {self._bucket.where}", hint="it was planned to be smaller")
        answer = self._bucket.ask(
            "upload_part",
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            Body=data,
            ContentMD5=_md5(data),  # servers of any age compare it, what newer sums are is not known to all
        )
        self._etags[number] = answer["ETag"]

    def _etag_of_all(self) -> str:
        """As servers make it of the parts' MD5; empty if theirs are none (encrypted by a key of AWS)."""
        with suppress(ValueError):
            sums = b"".join(bytes.fromhex(_bare(etag)) for _, etag in sorted(self._etags.items()))
            return f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(self._etags)}"
        return ""


def part_bytes(most_bytes: int) -> int:
    """Whole MiB, so that as many parts as there may be suffice."""
    needed_mib = -(-most_bytes // (MOST_PARTS * MIB))
    return max(LEAST_PART_BYTES, needed_mib * MIB)


def _client(region: str, access_key: str, secret_key: str, endpoint: str, ca_file: Path | None, attempts: int) -> Any:
    from botocore.config import Config
    from botocore.configprovider import ConstantProvider
    from botocore.session import Session

    defaults = {name: default for name, (_, _, default, _) in Session.SESSION_VARIABLES.items()} | ENVIRONMENT_FILES
    session = Session(session_vars={name: (None, None, value, None) for name, value in defaults.items()})
    session.get_component("config_store").set_config_provider("s3", ConstantProvider({}))
    config = Config(
        connect_timeout=CONNECT_WITHIN_S,
        read_timeout=ANSWER_WITHIN_S,
        ignore_configured_endpoint_urls=True,
        proxies={},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "path" if endpoint else "auto"},
        signature_version="s3v4",
    )
    return session.create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint or None,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        verify=str(ca_file) if ca_file else True,
        config=config,
    )


def _md5(data: bytes) -> str:
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _bare(etag: str) -> str:
    return etag.strip('"')
