"""What a request for a file comes to: all of it, a part, nothing new, or what cannot be (RFC 9110, 13 and 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Answer:
    """A status, and for 200 and 206 the bytes from `start` up to, not including, `stop`."""

    status: int
    start: int = 0
    stop: int = 0


def answer(method: str, headers: Mapping[str, str], *, tag: str, modified_s: int, size_bytes: int) -> Answer:
    """How to answer a GET or HEAD; tag: the strong ETag of what there is now, modified_s: when it came to be."""
    failed = _precondition(headers, tag, modified_s)
    if failed:
        return Answer(failed)
    wanted = headers.get("Range", "") if method == "GET" else ""  # for HEAD a range means nothing
    if wanted and _if_range(headers.get("If-Range", ""), tag, modified_s):
        span = byte_range(wanted, size_bytes)
        if span == "outside":
            return Answer(416)
        if isinstance(span, tuple):
            return Answer(206, *span)
    return Answer(200, 0, size_bytes)


def _precondition(headers: Mapping[str, str], tag: str, modified_s: int) -> int:
    """412 or 304 where the request's conditions end it, in the order of RFC 9110, 13.2.2; else 0."""
    if "If-Match" in headers:
        if not _lists(headers["If-Match"], tag, weak=False):
            return 412
    elif (date := _seconds(headers.get("If-Unmodified-Since", ""))) is not None and modified_s > date:
        return 412
    if "If-None-Match" in headers:
        return 304 if _lists(headers["If-None-Match"], tag, weak=True) else 0
    date = _seconds(headers.get("If-Modified-Since", ""))
    return 304 if date is not None and modified_s <= date else 0


def _lists(header: str, tag: str, *, weak: bool) -> bool:
    tags = re.findall(r'(W/)?("[^"]*")', header)
    return header.strip() == "*" or any(listed == tag and (weak or not mark) for mark, listed in tags)


def _if_range(header: str, tag: str, modified_s: int) -> bool:
    """Whether the part which the client has still fits: without the header it says so itself."""
    return header in ("", tag) or _seconds(header) == modified_s


def _seconds(date: str) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, OverflowError):
        return None


def byte_range(header: str, size_bytes: int) -> tuple[int, int] | str | None:
    """Start and stop of a single range; "outside" if it lies past the end; None for what is ignored.

    Several ranges at once are answered with the whole, as the RFC allows.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip(), flags=re.IGNORECASE)
    if not match or match[0].endswith("=-"):
        return None
    if not match[1]:
        length = min(int(match[2]), size_bytes)
        return (size_bytes - length, size_bytes) if length else "outside"
    first = int(match[1])
    last = min(int(match[2]), size_bytes - 1) if match[2] else size_bytes - 1
    if match[2] and int(match[2]) < first:
        return None
    return (first, last + 1) if first < size_bytes else "outside"
