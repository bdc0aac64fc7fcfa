"""An OVF package's manifest: a line `SHA256(name)= hex` for the descriptor and for each file it refers to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LINE = re.compile(r"(SHA1|SHA256|SHA512)\s*\(([^()\n]{1,255})\)\s*=\s*([0-9a-fA-F]+)", re.ASCII)
DIGITS = {"SHA1": 40, "SHA256": 64, "SHA512": 128}


@dataclass(frozen=True)
class Line:
    algorithm: str  # as hashlib calls it
    file: str
    digest: str  # hex, lower case


def manifest(sums: Iterable[tuple[str, str]]) -> str:
    """The manifest of these files and their SHA-256, in this order. Its length depends on the names alone."""
    return "".join(f"SHA256({name})= {digest}\n" for name, digest in sums)


def read_manifest(text: str) -> tuple[list[Line], list[str]]:
    """Its lines, and what is wrong with the others."""
    lines: list[Line] = []
    faults = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip():
            continue
        match = _LINE.fullmatch(raw.strip())
        if not match or len(match[3]) != DIGITS[match[1]]:
            faults.append(f"line {number} is not SHA256(name)= hex")
        elif any(line.file == match[2] for line in lines):
            faults.append(f"line {number} names {match[2]} again")
        else:
            lines.append(Line(match[1].lower(), match[2], match[3].lower()))
    return lines, faults
