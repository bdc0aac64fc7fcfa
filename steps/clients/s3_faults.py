"""What S3 servers answer, as this project's errors: decided by the answer's code, which all servers share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from steps.domain.errors import (
    AccessDenied,
    Conflict,
    HerasphereError,
    NotFound,
    Unavailable,
    Unsupported,
    VerifyFailed,
)

EXTRA_HINT = "pip install herasphere[s3], or build the runner image anew"

KEYS = (
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken",
    "XAdminUserNotFound",  # Versity's gateway
)  # fmt: skip
FORBIDDEN = ("AccessDenied", "AllAccessDisabled", "AccountProblem", "403")
PASSES = (
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "OperationAborted", "BadDigest", "IncompleteBody", "ConditionalRequestConflict",
)  # fmt: skip
ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301")
FULL = ("QuotaExceeded", "EntityTooLarge", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage")
FULL_STATUS = 507


@contextmanager
def translated(where: str, secrets: Sequence[str]) -> Iterator[None]:
    """Raise this project's errors in place of the client's. secrets: what no message may hold"""
    try:
        yield
    except HerasphereError:
        raise
    except Exception as error:
        made = _error_of(error, where, secrets)
        if made is None:
            raise
        raise made from None  # the cause holds the request, and that the access key


def _error_of(error: Exception, where: str, secrets: Sequence[str]) -> HerasphereError | None:
    """None if it is not of the S3 client."""
    try:
        from botocore import exceptions, parsers
    except ImportError:
        return None
    if isinstance(error, exceptions.ClientError):
        return _refusal(error.response, where, secrets)
    text = _without(str(error), secrets)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        hint = "give the authority's certificate, or correct the endpoint's name"
        return VerifyFailed("its certificate is not trusted", where=where, hint=hint)
    if isinstance(error, exceptions.IncompleteReadError):
        return Unavailable(f"the answer was cut ({text})", where=where, hint="it is tried again")
    if isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError)):
        return Unavailable(
            f"it cannot be reached ({text})", where=where, hint="look at s3.endpoint, and whether it runs"
        )
    if isinstance(error, parsers.ResponseParserError):
        return Unsupported("what answers there is no S3 server", where=where, hint="look at s3.endpoint: its port too")
    if isinstance(error, exceptions.ParamValidationError):
        return Unsupported(f"no such request can be made ({text})", where=where, hint="look at s3.bucket and s3.prefix")
    if isinstance(error, exceptions.BotoCoreError):
        return Unsupported(f"it does not work ({text})", where=where, hint="look at the settings of s3")
    return None


def _refusal(answer: Any, where: str, secrets: Sequence[str]) -> HerasphereError:
    """The error that an answer is, which has its code and, but for HEAD, its text."""
    told = answer.get("Error", {})
    code, said = str(told.get("Code", "")), _without(str(told.get("Message", "")), secrets)
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in KEYS:
        return AccessDenied(f"the keys are not accepted ({code})", where=where, hint="look at both keys in the secret")
    if code == "RequestTimeTooSkewed":
        return AccessDenied("the clocks differ too much", where=where, hint="set the clock here, or the server's")
    if code in FORBIDDEN or status == 403:
        hint = "it needs s3:PutObject, s3:GetObject, s3:AbortMultipartUpload, s3:ListBucketMultipartUploads"
        return AccessDenied("this user may not do that, or the keys are wrong", where=where, hint=hint)
    if code == "NoSuchBucket":
        hint = "make the bucket, or correct s3.bucket; herasphere makes none"
        return NotFound("there is no such bucket", where=where, hint=hint)
    if code == "NoSuchUpload":
        return Conflict("somebody has ended the upload", where=where, hint="does another run write there?")
    if code in FULL or status == FULL_STATUS:
        return Conflict(f"there is no room ({code})", where=where, hint="make room, or raise the quota")
    if code in ELSEWHERE:
        there = told.get("Region") or told.get("Endpoint") or "another"
        return Unsupported(f"the bucket is in another region ({there})", where=where, hint="correct s3.region")
    if code in PASSES or status in (429, 500, 502, 503, 504):
        return Unavailable(f"it fails just now ({code})", where=where, hint="it is tried again")
    if status == 404:
        hint = "look at s3.bucket: its name there, and its spelling"
        return NotFound(f"there is nothing ({code})", where=where, hint=hint)
    return Unsupported(f"it refuses ({code}: {said})", where=where, hint="see the S3 server's log")


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
