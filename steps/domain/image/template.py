"""Packer's template functions in settings: {{user `x`}}, {{timestamp}}, {{isotime "2006-01-02"}}, {{env `X`}}.

What only a run knows ({{ .HTTPIP }}) is left as it is written.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steps.domain.errors import Fault
from steps.domain.image.layers import Layers
from steps.domain.model_faults import did_you_mean
from steps.domain.source import Path

_TEMPLATE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_WORD = re.compile(r"`([^`]*)`|\"((?:[^\"\\]|\\.)*)\"|([^\s|`\"]+)|(\|)")
_LATER = re.compile(r"\.\w+")
_ALONE = re.compile(r"\{\{-?\s*(env|user)\s+(?:`([^`]+)`|\"([^\"\\]+)\")\s*-?\}\}")
FUNCTIONS = ("user", "env", "timestamp", "isotime", "build_name", "pwd", "template_dir", "upper", "lower", "replace")
DEEPEST = 20  # variables of variables; more is a circle

# Go writes a layout as the moment 2006-01-02 15:04:05, a Monday
GO_LAYOUT = (
    ("2006", "%Y"), ("January", "%B"), ("Jan", "%b"), ("Monday", "%A"), ("Mon", "%a"), ("MST", "%Z"), ("-0700", "%z"),
    ("01", "%m"), ("02", "%d"), ("15", "%H"), ("03", "%I"), ("04", "%M"), ("05", "%S"), ("06", "%y"), ("PM", "%p"),
)  # fmt: skip


@dataclass(frozen=True)
class Around:
    """What settings may ask for: the moment (UTC), the environment, and the folder they are read in."""

    now: datetime
    environment: Mapping[str, str]
    folder: str = "."


class Unfillable(ValueError):
    """A template that has no value here; the text says why, `hint` what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class Filler:
    """Fills in the templates of one set of settings; `used` are the variables they asked for."""

    def __init__(self, layers: Layers, around: Around) -> None:
        self.layers = layers
        self.around = around
        self.used: set[str] = set()
        self.variables = layers.variables
        self.functions: dict[str, Callable[..., str]] = {
            "env": self._env,
            "timestamp": lambda: str(int(around.now.timestamp())),
            "isotime": self._isotime,
            "build_name": lambda: self._text(self.variables.get("build_name", ""), 1),
            "pwd": lambda: around.folder,
            "template_dir": lambda: around.folder,
            "upper": str.upper,
            "lower": str.lower,
            "replace": lambda old, new, count, text: text.replace(old, new, int(count)),
        }

    def fill(self, value: Any, path: Path, faults: list[Fault]) -> Any:
        """The value with every template in it filled in; what cannot be is a fault, and left as it is."""
        if isinstance(value, dict):
            return {key: self.fill(each, (*path, key), faults) for key, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each, (*path, index), faults) for index, each in enumerate(value)]
        if not isinstance(value, str) or "{{" not in value:
            return value
        try:
            return self._text(value, 0)
        except Unfillable as error:
            faults.append(self.layers.fault(path, str(error), error.hint))
            return value

    def variable_of(self, value: Any) -> str:
        """The variable of the environment that the value is as a whole, also by {{user}}; "" if it is none."""
        for _ in range(DEEPEST):
            match = _ALONE.fullmatch(value.strip()) if isinstance(value, str) else None
            if match is None or match[1] == "env":
                break
            self.used.add(match[2] or match[3])
            value = self.variables.get(match[2] or match[3])
        return (match[2] or match[3]) if match and match[1] == "env" else ""

    def _text(self, text: str, depth: int) -> str:
        if depth > DEEPEST:
            raise Unfillable(f"{text[:60]!r} refers to itself", "break the circle of {{user}} variables")
        return _TEMPLATE.sub(lambda match: self._value(match, depth), text)

    def _value(self, match: re.Match[str], depth: int) -> str:
        if _LATER.fullmatch(match[1]):
            return match[0]  # only the run knows it
        result: list[str] = []
        for words in _pipeline(match[1]):
            name, *arguments = [*words, *result]
            result = [self._user(*arguments, depth=depth) if name == "user" else self._called(name, arguments, match)]
        return result[0]

    def _user(self, *names: str, depth: int) -> str:
        if len(names) != 1:
            raise Unfillable("user takes the name of one variable", "{{user `name`}}")
        (name,) = names
        self.used.add(name)
        if name not in self.variables:
            known = sorted(self.variables)
            raise Unfillable(f"variable {name!r} is not defined", f"give it in a file; {did_you_mean(name, known)}")
        return self._text(self.variables[name], depth + 1)

    def _called(self, name: str, arguments: list[str], match: re.Match[str]) -> str:
        if name not in self.functions:
            raise Unfillable(f"{match[0][:60]} is unknown here", did_you_mean(name, list(FUNCTIONS)))
        try:
            return self.functions[name](*arguments)
        except (TypeError, ValueError) as error:
            if isinstance(error, Unfillable):
                raise
            raise Unfillable(f"{match[0][:60]} has wrong arguments", "see docs/image-settings.md") from error

    def _env(self, name: str) -> str:
        if name not in self.around.environment:
            raise Unfillable(f"environment variable {name} is not set", f"export {name}")
        return self.around.environment[name]

    def _isotime(self, layout: str = "2006-01-02T15:04:05Z") -> str:
        pattern = "|".join(re.escape(go) for go, _ in GO_LAYOUT)
        codes = dict(GO_LAYOUT)
        return re.sub(pattern, lambda match: self.around.now.strftime(codes[match[0]]), layout)


def _pipeline(text: str) -> list[list[str]]:
    """The words of each call of a pipeline: user `x` | upper."""
    calls: list[list[str]] = [[]]
    for match in _WORD.finditer(text):
        if match[4]:
            calls.append([])
        else:
            raw, quoted, plain = match[1], match[2], match[3]
            word = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else raw if raw is not None else plain
            calls[-1].append(word)
    if any(not call for call in calls):
        raise Unfillable(f"{{{{{text[:60]}}}}} is no template", "{{user `name`}}, {{timestamp}}, {{ .HTTPIP }}")
    return calls
