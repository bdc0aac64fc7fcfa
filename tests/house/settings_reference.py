"""The tables of docs/image-settings.md, out of the models that the settings are read with."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from steps.domain.image.keys.artifact import ArtifactKeys
from steps.domain.image.keys.guest import GuestKeys
from steps.domain.image.keys.installer import InstallerKeys
from steps.domain.image.keys.machine import MachineKeys
from steps.domain.image.keys.vcenter import VCenterKeys
from steps.domain.image.packer import NO_MEANING, SAME_MEANING

GROUPS: Mapping[str, type[BaseModel]] = {
    "vcenter": VCenterKeys,
    "machine": MachineKeys,
    "installer": InstallerKeys,
    "guest": GuestKeys,
    "artifact": ArtifactKeys,
}
SECRET = "SecretEntry"
PACKER: dict[str, list[str]] = {}
for theirs, ours in SAME_MEANING.items():
    if theirs != ours:
        PACKER.setdefault(ours, []).append(theirs)
WORDS = {"string": "text", "integer": "number", "number": "number", "boolean": "yes or no"}
TABLE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)

Schema = dict[str, Any]
Row = tuple[str, str, str, str, str]


def page(text: str) -> str:
    """The page with its tables as the models have them now."""
    return TABLE.sub(lambda match: match[1] + "".join(_table(match[2])) + match[3], text)


def rows(model: type[BaseModel]) -> Iterator[Row]:
    """Each key: its name, what it means, its type, its default, and what Packer calls it."""
    schema = model.model_json_schema()
    yield from _rows(schema, schema.get("$defs", {}), "")


def _table(name: str) -> Iterator[str]:
    if name == "nothing":
        yield "| Packer's key | why |\n|---|---|\n"
        yield from (f"| `{key}` | {why} |\n" for key, why in sorted(NO_MEANING.items()))
        return
    yield "| key | meaning | type | default | Packer's name |\n|---|---|---|---|---|\n"
    for key, meaning, kind, default, packer in rows(GROUPS[name]):
        yield f"| `{key}` | {meaning} | {kind} | {default} | {packer} |\n"


def _rows(schema: Schema, known: Schema, prefix: str) -> Iterator[Row]:
    for key, each in schema["properties"].items():
        name, meaning = prefix + key, _cell(each.get("description", ""))
        needed = "needed" if key in schema.get("required", ()) else _default(each)
        packer = ", ".join(f"`{theirs}`" for theirs in PACKER.get(key, ())) if not prefix else ""
        yield name, meaning, _type(each), needed, packer
        below = name + ("[]." if each.get("type") == "array" else ".")
        seen: set[str] = set()
        for entry in _entries(each):
            own = {inner: value for inner, value in known[entry]["properties"].items() if inner not in seen}
            seen |= own.keys()
            yield from _rows(known[entry] | {"properties": own}, known, below)


def _entries(schema: Schema) -> Iterator[str]:
    """The names of the mappings that a value may be or hold, but for references to secrets."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from [name] if name != SECRET else []
    for each in [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else [])]:
        yield from _entries(each)


def _type(schema: Schema) -> str:
    if schema.get("title") == "duration":
        return "duration"
    if "$ref" in schema:
        return "[secret](#secrets)" if schema["$ref"].endswith(SECRET) else "keys below"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    choices = [_type(each) for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if choices:
        listed = [each for each in choices if each.startswith("list of ")]
        return f"{choices[0]}, or several" if listed and len(choices) == 2 else " or ".join(dict.fromkeys(choices))
    if schema.get("type") == "array":
        inner = _type(schema["items"])
        return "list of " + (f"{inner}" if inner != "keys below" and "oneOf" not in schema["items"] else "mappings")
    if schema.get("type") == "object":
        return "mapping"
    return WORDS[schema["type"]] + _limits(schema) if "type" in schema else "any"


def _limits(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", {low} or more"
    return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if value is None or value in ("", [], {}) or (isinstance(value, dict) and not any(value.values())):
        return ""
    if isinstance(value, list):
        return ", ".join(f"`{each}`" for each in value)
    if _type(schema) == "duration":
        minutes, seconds = divmod(int(value), 60)
        return f"`{minutes}m`" if minutes and not seconds else f"`{value:g}s`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
