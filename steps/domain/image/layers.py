"""Settings files laid over each other: the later one wins, key by key, and every value keeps its place."""

from dataclasses import dataclass, field
from typing import Any

from steps.domain.errors import Fault
from steps.domain.source import Path, Source
from steps.domain.table import SecretEntry


@dataclass(frozen=True)
class Note:
    """Something to know that is no fault: a key without a meaning here, a secret that stands in a file."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass
class Layers:
    """What the files say together. A mapping is merged key by key; everything else, and where a secret comes from, is
    replaced.

    variables: what {{user `x`}} may ask for
    removed:   paths whose values were faulty: what is missing there is no second fault
    """

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Source] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    file: str = "settings"
    variables: dict[str, str] = field(default_factory=dict)
    removed: set[Path] = field(default_factory=set)

    def fault(self, path: Path, message: str, hint: str, *, key: bool = False) -> Fault:
        """A fault where the value at this path was given; of what was not given, in the file that was read last."""
        source = self.origin(path)
        return source.fault(path, message, hint, key=key) if source else Fault(self.file, 1, 1, message, hint)

    def note(self, source: Source, path: Path, message: str) -> None:
        """Remember something to know about what stands at this path of a file."""
        self.notes.append(Note(source.file, source.place(path, key=True).line, message))

    def origin(self, path: Path) -> Source | None:
        """The file from which the value at this path comes; None if it was not given."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path)

    def add(self, source: Source) -> None:
        """Lay a file over what is there."""
        self.faults += source.faults
        if not isinstance(source.data, dict):
            self.faults.append(source.fault((), "not a settings file", "it is a list of keys with their values"))
            return
        for key, value in source.data.items():
            self._put(self.data, (key,), value, source)

    def _put(self, into: dict[str, Any], path: Path, value: Any, source: Source) -> None:
        key = str(path[-1])
        before = into.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and not (_is_secret(value) and _is_secret(before)):
            for inner, each in value.items():
                self._put(into[key], (*path, inner), each, source)
            return
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]
        into.pop(key, None)
        if value is None:
            return
        into[key] = _copied(value)
        self.origins[path] = source
        self.origins |= {inner: source for inner in source.values if inner[: len(path)] == path}


def _is_secret(value: dict[Any, Any]) -> bool:
    """Whether this says where a secret comes from: {env: NAME} on top of {file: PATH} is not both."""
    return bool(value) and value.keys() <= SecretEntry.model_fields.keys()


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value
