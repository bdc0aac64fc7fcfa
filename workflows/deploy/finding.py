"""One thing that was looked at on a cluster."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "fault"]


@dataclass(frozen=True)
class Finding:
    """What was found; `hint` says what to do unless it is ok. A fault is what keeps it from working."""

    level: Level
    what: str
    found: str
    hint: str = ""
