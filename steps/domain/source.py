"""A YAML file read so that every value keeps its place: line and column of each key and value.

All scalars stay text. YAML 1.1 would otherwise turn the MAC 52:54:00:12:34:56 into a number of base 60, the serial
number 0012345 into an octal one and the keyboard "no" into False; the models convert what is meant to be a number.
"""

from dataclasses import dataclass, field
from typing import Any

import yaml

from steps.domain.errors import ConfigError, Fault

Path = tuple[str | int, ...]

MAX_BYTES = 16 * 1024 * 1024
MAX_VALUES = 500_000  # a table of 10,000 hosts has some 300,000; aliases could make a small file endless
MAX_DEPTH = 50


@dataclass(frozen=True)
class Place:
    line: int
    column: int


@dataclass
class Source:
    """Plain data (dict, list, str, None) and the place of each path in it."""

    file: str
    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value (or its key) at this path stands; where it is missing, its nearest parent."""
        places = self.keys if key else self.values
        if path in places:
            return places[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place(1, 1))

    def fault(self, path: Path, message: str, hint: str, *, key: bool = False) -> Fault:
        place = self.place(path, key=key)
        return Fault(self.file, place.line, place.column, message, hint)


def read(text: str | bytes, file: str) -> Source:
    """Parse one YAML document; raises ConfigError when the text is no YAML, keeps softer faults in `faults`."""
    source = Source(file)
    if len(text) > MAX_BYTES:
        raise ConfigError([Fault(file, 1, 1, f"larger than {MAX_BYTES // 2**20} MiB", "split it into several files")])
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        node = yaml.compose(decoded, Loader=yaml.BaseLoader)
    except UnicodeDecodeError as error:
        raise ConfigError([Fault(file, 1, 1, f"not UTF-8 text (byte {error.start})", "save it as UTF-8")]) from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_fault(file, error)]) from error
    except yaml.YAMLError as error:  # characters YAML does not allow at all
        message = str(error).splitlines()[0]
        raise ConfigError([Fault(file, 1, 1, f"not YAML: {message}", "remove control characters")]) from error
    except RecursionError as error:
        raise ConfigError([Fault(file, 1, 1, "nested too deeply", "a host table has four levels")]) from error
    if node is None:
        raise ConfigError([Fault(file, 1, 1, "the file is empty", "start from config/hosts.example.yaml")])
    source.data = _Builder(source).build(node, (), ())
    return source


def _syntax_fault(file: str, error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = error.problem or error.context or "not YAML"
    hint = "put the value in quotes if it contains ': ', '#' or '@'"
    if "end of stream" in message and error.context_mark:
        hint = f"something opened in line {error.context_mark.line + 1} is not closed"
    elif "\\t" in message:
        hint = "indent with blanks, not with tabs"
    return Fault(file, line, column, f"not YAML: {message}", hint)


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.count = 0

    def build(self, node: yaml.Node, path: Path, parents: tuple[int, ...]) -> Any:
        self.count += 1
        self.source.values.setdefault(path, _place(node))
        if id(node) in parents or len(parents) > MAX_DEPTH or self.count > MAX_VALUES:
            self._stop(node, "refers to itself" if id(node) in parents else "nested too deeply, or too many values")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*parents, id(node)))
        if isinstance(node, yaml.SequenceNode):
            inner = (*parents, id(node))
            return [self.build(item, (*path, index), inner) for index, item in enumerate(node.value)]
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if is_plain and node.value in ("", "~", "null") else str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path, parents: tuple[int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._stop(key_node, "a key must be a word, not a list or a mapping")
            key = str(key_node.value)
            if key == "<<" and key_node.style is None:
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            here = (*path, key)
            if key in result:
                first = self.source.keys[here]
                place = _place(key_node)
                message, hint = f"{key} is given twice", f"it stands in line {first.line} already; keep one"
                self.source.faults.append(Fault(self.source.file, place.line, place.column, message, hint))
                continue
            self.source.keys[here] = _place(key_node)
            result[key] = self.build(value_node, here, parents)
        for base in merged:
            if not isinstance(base, yaml.MappingNode):
                self._stop(base, "<< takes a mapping")
            for key, value in self.build(base, path, parents).items():
                result.setdefault(key, value)
        return result

    def _stop(self, node: yaml.Node, message: str) -> None:
        place = _place(node)
        hint = "write the values out instead of using aliases"
        raise ConfigError([Fault(self.source.file, place.line, place.column, message, hint)])


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
