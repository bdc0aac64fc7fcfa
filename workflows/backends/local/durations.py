"""Durations as Argo writes them: `90s`, `1h30m`, `500ms`, or a bare number of seconds."""

import re

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class BadDuration(ValueError):
    pass


def seconds_of(text: str) -> float:
    if re.fullmatch(r"\d+", text):
        return float(text)
    if not re.fullmatch(f"(?:{PART.pattern})+", text):
        raise BadDuration(f"'{text}' is no duration such as 90s or 1h30m")
    return sum(float(number) * UNITS_S[unit] for number, unit in PART.findall(text))


def in_words(seconds: float) -> str:
    """As Argo tells a waiting time: `5 seconds`, `1 minute 30 seconds`."""
    parts = []
    rest = round(seconds)
    for unit, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(parts) or "0 seconds"
