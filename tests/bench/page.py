"""docs/benchmarks.md, made of figures that are kept beside it, so that one part can be measured again by itself."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
FIGURES = DOCS / "benchmarks.json"
PAGE = DOCS / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`. Each row is one run of both sides on one machine; the ratio is what to look at, the absolute
figures are that machine's.
"""


@dataclass(frozen=True)
class Row:
    """One thing that was measured, and beside what."""

    what: str
    ours: str
    peer: str
    ratio: str


@dataclass(frozen=True)
class Part:
    """What one part of the benchmarks found: a table, and what else is to be said of it."""

    title: str
    rows: Sequence[Row]
    remarks: str = ""


def write(parts: dict[str, Part]) -> None:
    """The page shows these parts as they were measured now, and the others as they were before."""
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    kept |= {name: asdict(part) | {"machine": machine} for name, part in parts.items()}
    FIGURES.write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    PAGE.write_text(HEAD + "".join(_section(part) for part in kept.values()))


def _section(part: dict[str, object]) -> str:
    rows = part["rows"]
    assert isinstance(rows, list)
    lines = [
        f"\n## {part['title']}\n",
        f"On {part['machine']}.\n",
        "| what | herasphere | beside it | ratio |\n|---|---|---|---|",
        *(f"| {row['what']} | {row['ours']} | {row['peer']} | {row['ratio']} |" for row in rows),
    ]
    remarks = f"\n{part['remarks']}\n" if part["remarks"] else ""
    return "\n".join(lines) + "\n" + remarks
