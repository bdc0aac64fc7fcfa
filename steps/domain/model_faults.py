"""What pydantic found wrong with what a user wrote, as faults to act on; the sound rest is kept for more checks."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from steps.domain.errors import Fault
from steps.domain.source import Path


class Placed(Protocol):
    """Plain data whose values know where they stand."""

    @property
    def data(self) -> Any: ...

    def fault(self, path: Path, message: str, hint: str, *, key: bool = False) -> Fault: ...


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Form(Generic[Model]):
    """What the data should be.

    name:  "a host table"; see: the page that describes it
    keys:  hint when it is something else altogether
    lists: hint for a list that is missing or is none, by its key
    """

    model: type[Model]
    name: str
    see: str
    keys: str
    lists: Mapping[str, str] = field(default_factory=dict)


def check_values(source: Placed, form: Form[Model]) -> tuple[Model | None, list[Fault], set[Path]]:
    """Validate each value alone.

    Returns the model without its faulty values (None when nothing is left to look at), the faults, and the paths that
    were left out, so that they are not called missing later.
    """
    faults: list[Fault] = []
    removed: set[Path] = set()
    data = source.data
    if not isinstance(data, dict):
        return None, [source.fault((), f"not {form.name}", form.keys)], removed
    for _ in range(5):  # a faulty value can hide another one behind it, e.g. in a reference of a reference
        try:
            return form.model.model_validate(data), faults, removed
        except ValidationError as error:
            for details in error.errors(include_url=False):
                path = _existing(data, details["loc"])
                if path not in removed and tuple(details["loc"]) not in removed:
                    faults.append(_fault(source, form, path, dict(details)))
                    removed.add(path)
                elif len(path) > 1:  # what is left of it is no value either: an entry of a list, say
                    removed.add(path[:-1])
        data = _without(data, removed)
    return None, faults, removed


def _existing(data: Any, loc: tuple[str | int, ...]) -> Path:
    """What of pydantic's location is a path in the data: it names the members of unions and missing keys too."""
    path: Path = ()
    for part in loc:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not in_list and not (isinstance(data, dict) and part in data):
            continue
        data = data[part]
        path = (*path, part)
    return path


def _fault(source: Placed, form: Form[Any], path: Path, details: dict[str, Any]) -> Fault:
    name = next((str(part) for part in reversed(path) if isinstance(part, str)), form.name)
    kind, context = details["type"], details.get("ctx", {})
    if kind == "herasphere":
        return source.fault(path, context["message"], context["hint"])
    if kind == "extra_forbidden":
        known = list(_model_at(form.model, source.data, path[:-1]).model_fields)
        return source.fault(path, f"unknown key {path[-1]!r}", did_you_mean(str(path[-1]), known), key=True)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return source.fault(path, f"{name} must be a mapping of keys", "indent its keys below it")
    if kind == "missing":
        missing = str(details["loc"][-1])
        return source.fault(path, f"{missing} is missing", form.lists.get(missing, f"give it: see {form.see}"))
    if kind in ("tuple_type", "list_type"):
        return source.fault(path, f"{name} must be a list", form.lists.get(name, "[first, second]"))
    if kind == "literal_error":
        return source.fault(path, f"{name} is {details['input']!r}", f"one of {context['expected']}")
    if kind.startswith("bool"):
        return source.fault(path, f"{name} is {details['input']!r}", "true or false")
    if kind.startswith("int"):
        return source.fault(path, f"{name} is {details['input']!r}", "a whole number")
    if kind == "string_type":
        return source.fault(path, f"{name} must be a single value", "not a list or a mapping")
    return source.fault(path, f"{name}: {details['msg']}", f"see {form.see}")


def did_you_mean(word: str, known: list[str]) -> str:
    """A hint naming the known words nearest to this one, or all of them."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else "known here: " + ", ".join(known)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that this one is probably meant to be; "" if it is like none."""
    return next(iter(difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)), "")


def _model_at(model: type[BaseModel], data: Any, path: Path) -> type[BaseModel]:
    """The model which describes the mapping at this path; of a union the one with most of the mapping's keys."""
    kinds = [model]
    for part in path:
        data = data[part]
        if isinstance(part, str):
            kinds = list(_models_in(model.model_fields[part].annotation))
        if isinstance(data, dict):
            model = max(kinds, key=lambda kind: len(kind.model_fields.keys() & data.keys()))
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _without(data: Any, removed: set[Path], path: Path = ()) -> Any:
    if isinstance(data, dict):
        return {k: _without(v, removed, (*path, k)) for k, v in data.items() if (*path, k) not in removed}
    if isinstance(data, list):  # places in a list must not shift: an unusable item becomes an empty one
        return [{} if (*path, i) in removed else _without(v, removed, (*path, i)) for i, v in enumerate(data)]
    return data
