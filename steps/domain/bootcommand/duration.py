"""Go's durations ("300ms", "1m20s", "1.5s"), which Packer's settings and boot commands are written in."""

import re

UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = r"(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|μs|ns)"


def go_duration_s(text: str) -> float | None:
    """The duration in seconds; None if the text is none. "0" needs no unit, everything else does; never negative."""
    if text == "0":
        return 0.0
    if len(text) > 100 or not re.fullmatch(rf"({_PART})+", text, re.ASCII):
        return None
    return sum(float(number) * UNITS_S[unit] for number, unit in re.findall(_PART, text, re.ASCII))
