"""A tar header, written and read: plain ustar, the same bytes for the same member.

ustar has no room for a size of 8 GiB or more; then, and only then, the size is written as GNU tar does it, in base 256.
Whether every importer reads that is not known; tar, bsdtar, Python and Go do.
"""

import re
from dataclasses import dataclass
from typing import Literal

BLOCK = 512
END = bytes(2 * BLOCK)
MOST_OCTAL = 8**11
MOST_NAME = 100


@dataclass(frozen=True)
class Member:
    """A member as its header tells of it; `kind` is tar's type flag, "0" for a file."""

    name: str
    size_bytes: int
    kind: str = "0"
    format: Literal["ustar", "gnu", "old"] = "ustar"


def padding(size_bytes: int) -> int:
    """How many zeros follow a member of this size."""
    return -size_bytes % BLOCK


def header(name: str, size_bytes: int, *, mtime_s: int = 0) -> bytes:
    """The header of a file: mode 0644, owner 0."""
    encoded = name.encode("ascii")
    if not 0 < len(encoded) <= MOST_NAME or not 0 <= mtime_s < MOST_OCTAL or size_bytes < 0:
        raise ValueError(f"tar cannot hold {name!r}, {size_bytes} bytes, of {mtime_s}")
    size = b"%011o\0" % size_bytes if size_bytes < MOST_OCTAL else b"\x80" + size_bytes.to_bytes(11, "big")
    fields = [
        encoded.ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", size, b"%011o\0" % mtime_s,
        b" " * 8, b"0", bytes(100), b"ustar\00000", bytes(32), bytes(32), b"0000000\0", b"0000000\0", bytes(167),
    ]  # fmt: skip
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def read_header(block: bytes) -> Member | str | None:
    """The member; what is wrong with the header; None for a block of zeros, with which an archive ends."""
    if not any(block):
        return None
    told = _number(block[148:156])
    if told != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        return "no tar header: its checksum is wrong"
    size = _number(block[124:136])
    if size is None:
        return "a tar header without a size"
    prefix = block[345:500] if block[257:263] == b"ustar\0" else b""
    parts = [_text(part) for part in (prefix, block[:100])]
    magic = {b"ustar\0": "ustar", b"ustar ": "gnu"}.get(block[257:263], "old")
    kind = chr(block[156]) if block[156] else "0"
    return Member("/".join(part for part in parts if part), size, kind, magic)  # type: ignore[arg-type]


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field: bytes) -> int | None:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    return int(text, 8) if re.fullmatch(rb"[0-7]{1,12}", text) else None
