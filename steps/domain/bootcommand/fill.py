"""The values that only a run knows, put into a boot command or a kickstart: `{{ .HTTPIP }}` and its like."""

import difflib
import re
from collections.abc import Mapping

from steps.domain.errors import ConfigError, Fault

# As Go's templates: blanks inside are free, "{{-" and "-}}" also drop the blanks beside it
_VARIABLE = re.compile(r"(?:\s*\{\{-\s|\{\{)\s*\.(\w+)\s*(?:\s-\}\}\s*|\}\})", re.ASCII)
_ANY = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def variables(text: str) -> tuple[str, ...]:
    """The names of the template variables in the text, each once, in their order."""
    return tuple(dict.fromkeys(match[1] for match in _VARIABLE.finditer(text)))


def fill(text: str, values: Mapping[str, str], *, file: str = "boot_command") -> str:
    """The text with its template variables filled in.

    ConfigError with every variable that has no value, and with every other `{{ ... }}`: nothing of the kind is typed.
    What is filled in is not looked at again.
    """
    faults = []
    filled = []
    end = 0
    for match in _VARIABLE.finditer(text):
        faults += _others(text, end, match.start(), values, file)
        if match[1] not in values:
            faults.append(_fault(text, match.start(), f"{match[1]} is not defined", _hint(match[1], values), file))
        filled += [text[end : match.start()], values.get(match[1], "")]
        end = match.end()
    faults += _others(text, end, len(text), values, file)
    if faults:
        raise ConfigError(faults)
    return "".join([*filled, text[end:]])


def _others(text: str, start: int, end: int, values: Mapping[str, str], file: str) -> list[Fault]:
    """A fault for each `{{ ... }}` between two variables."""
    return [
        _fault(text, match.start(), f"{match[0][:60]} is no variable", _hint("", values), file)
        for match in _ANY.finditer(text, start, end)
    ]


def _hint(name: str, values: Mapping[str, str]) -> str:
    by_folded = {each.lower(): each for each in values}
    near = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.6) if name else []
    if near:
        return f"did you mean {{{{ .{by_folded[near[0]]} }}}}?"
    known = ", ".join(f"{{{{ .{each} }}}}" for each in sorted(values))
    return f"known here: {known}" if known else "nothing is known here that could be filled in"


def _fault(text: str, position: int, message: str, hint: str, file: str) -> Fault:
    line = text.count("\n", 0, position) + 1
    return Fault(file, line, position - text.rfind("\n", 0, position), message, hint)
