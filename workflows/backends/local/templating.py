"""`{{...}}` tags replaced as Argo does, and the values which they stand for.

Every tag of a text is looked up once; what it was replaced with is not looked at again, so a value that happens to hold
two braces stays as it is. (Argo scans once for each level: there such a value may be replaced a second time.)
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

RETRIES = "retries"  # the number of an attempt, from 0; known in a script that may be retried
TAG = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
Scope = Mapping[str, str]


class UnknownTag(ValueError):
    def __init__(self, tag: str) -> None:
        super().__init__(f"failed to resolve {{{{{tag}}}}}")


class NotAList(ValueError):
    """A withParam is not a JSON list when its turn comes, or results cannot be made one."""


def replace(value: Any, scope: Scope) -> Any:
    """The same value with every tag in every text in it replaced."""
    if isinstance(value, str):
        return replace_text(value, scope)
    if isinstance(value, list):
        return [replace(each, scope) for each in value]
    if isinstance(value, dict):
        return {key: replace(each, scope) for key, each in value.items()}
    return value


def replace_text(text: str, scope: Scope) -> str:
    def look_up(match: re.Match[str]) -> str:
        if match[1] not in scope:
            raise UnknownTag(match[1])
        return scope[match[1]]

    return TAG.sub(look_up, text)


def tags_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (match[1] for match in TAG.finditer(value))
    elif isinstance(value, list):
        for each in value:
            yield from tags_in(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from tags_in(each)


def text_of(value: Any) -> str:
    """A parameter's value as Argo holds it: text, whatever type the YAML had."""
    return value if isinstance(value, str) else json.dumps(value)


def parse_list(text: str) -> list[Any]:
    """The items of a withParam."""
    try:
        items = json.loads(text)
    except ValueError as error:
        raise NotAList(f"withParam value could not be parsed as a JSON list: {text.strip()}: {error}") from None
    if not isinstance(items, list):
        raise NotAList(f"withParam value could not be parsed as a JSON list: {text.strip()}")
    return items


def item_scope(item: Any) -> dict[str, str]:
    """{{item}}, and for an object {{item.key}} for each of its keys."""
    if isinstance(item, dict):
        whole = {"item": go_json(dict(sorted(item.items())))}
        return whole | {f"item.{key}": _shown(value) for key, value in item.items()}
    if isinstance(item, list):
        return {"item": go_json(item)}
    return {"item": item if isinstance(item, str) else _shown(item)}


def item_name(name: str, index: int, item: Any) -> str:
    """The name of one node of a fan-out: `host(0:esx01)`, `host(0:bmc:10.0.0.1,name:esx01)`."""
    if isinstance(item, dict):
        label = ",".join(sorted(f"{key}:{_shown(value)}" for key, value in item.items()))
    elif isinstance(item, list):
        label = "[" + " ".join(_shown(each) for each in item) + "]"
    else:
        label = _shown(item)
    return f"{name}({index}:{label.replace('(', '').replace(')', '')})"


def aggregate(values: list[str]) -> str:
    """One list of the same output of all nodes of a fan-out: of objects where all are, of texts otherwise."""
    parsed: list[Any] = []
    for value in values:
        try:
            parsed.append(json.loads(value))
        except ValueError:
            return go_json(values)
    return go_json(parsed, sort_keys=True) if all(isinstance(each, dict | list) for each in parsed) else go_json(values)


def aggregate_results(results: list[str]) -> str:
    """One list of the results of a fan-out, each of which must be JSON, as Argo has it."""
    try:
        return go_json([json.loads(result) for result in results])
    except ValueError as error:
        raise NotAList(f"a result of a fan-out is no JSON: {error}") from None


def go_json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON as Argo writes it into parameters: without blanks, and safe within HTML."""
    text = _compact(value, sort_keys=sort_keys)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(value: Any) -> str:
    """As in names and as {{item.key}}: a text keeps the escapes that it has in JSON."""
    text = _compact(value)
    return text[1:-1] if isinstance(value, str) else text


def _compact(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False)
