"""XML of strangers, read with each element's line, and without what XML lets a hostile file do.

No document types (so no entities that grow or name files), no depth and no size that a descriptor never has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 4 * 2**20
MAX_ELEMENTS = 50_000
MAX_DEPTH = 50


class BadXml(ValueError):
    """It cannot be read; `line` tells where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class Node:
    """An element. Names of elements and attributes are (namespace, local name)."""

    name: tuple[str, str]
    values: dict[tuple[str, str], str]
    line: int
    children: list["Node"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()

    def all(self, namespace: str, name: str) -> Iterator["Node"]:
        return (child for child in self.children if child.name == (namespace, name))

    def one(self, namespace: str, name: str) -> "Node | None":
        return next(self.all(namespace, name), None)

    def under(self, namespace: str, name: str) -> str:
        """The text of the first child of this name, "" without one."""
        found = self.one(namespace, name)
        return found.text if found else ""


def read_xml(data: bytes) -> Node:
    """The root element; BadXml if it is no XML, or too much of it."""
    if len(data) > MAX_BYTES:
        raise BadXml(f"larger than {MAX_BYTES // 2**20} MiB", 1)
    return _Reader().read(data)


class _Reader:
    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.open: list[Node] = []
        self.root: Node | None = None
        self.elements = 0

    def read(self, data: bytes) -> Node:
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as error:
            raise BadXml(f"not XML: {expat.ErrorString(error.code)}", error.lineno) from error
        except (ValueError, LookupError) as error:
            if isinstance(error, BadXml):
                raise
            raise BadXml(f"not XML: {error}", 1) from error  # an encoding nobody knows
        if self.root is None:
            raise BadXml("not XML: no element found", 1)
        return self.root

    def start(self, name: str, values: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        self.elements += 1
        if self.elements > MAX_ELEMENTS or len(self.open) >= MAX_DEPTH:
            raise BadXml("more elements, or deeper ones, than a descriptor has", line)
        node = Node(_split(name), {_split(key): value for key, value in values.items()}, line)
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node
        self.open.append(node)

    def end(self, _name: str) -> None:
        self.open.pop()

    def text(self, data: str) -> None:
        if self.open:
            self.open[-1].pieces.append(data)

    def refuse(self, *_: object) -> None:
        raise BadXml("a document type, which an OVF descriptor does not have", self.parser.CurrentLineNumber)


def _split(name: str) -> tuple[str, str]:
    namespace, _, local = name.rpartition(" ")
    return namespace, local
