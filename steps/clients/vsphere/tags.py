"""Tags of vSphere objects; categories and tags that are missing are made."""

from collections.abc import Callable, Sequence
from typing import Any

from steps.clients.vsphere.connection import VSphere
from steps.clients.vsphere.rest import Rest, session
from steps.domain.errors import Conflict

OWN_CATEGORY = "herasphere"
CATEGORY, TAG, ASSOCIATION = "cis/tagging/category", "cis/tagging/tag", "cis/tagging/tag-association"


def attach(vsphere: VSphere, moid: str, tags: Sequence[str]) -> None:
    """The VM has these tags, besides those it has; twice is fine.

    tags: "category:tag", or "tag" in the category herasphere
    """
    if not tags:
        return
    vm = {"object_id": {"type": "VirtualMachine", "id": moid}}
    with session(vsphere) as rest:
        wanted = [_tag(rest, *_split(tag)) for tag in tags]
        has = rest.call("POST", ASSOCIATION, vm, action="list-attached-tags") or []
        for tag in dict.fromkeys(wanted):
            if tag not in has:
                rest.call("POST", f"{ASSOCIATION}/id:{tag}", vm, action="attach")


def attached(vsphere: VSphere, moid: str) -> tuple[str, ...]:
    """The VM's tags as "category:tag", sorted."""
    vm = {"object_id": {"type": "VirtualMachine", "id": moid}}
    with session(vsphere) as rest:
        found = [
            rest.call("GET", f"{TAG}/id:{tag}")
            for tag in rest.call("POST", ASSOCIATION, vm, action="list-attached-tags") or []
        ]
        categories = {tag["category_id"]: "" for tag in found}
        for category in categories:
            categories[category] = rest.call("GET", f"{CATEGORY}/id:{category}")["name"]
    return tuple(sorted(f"{categories[tag['category_id']]}:{tag['name']}" for tag in found))


def _split(tag: str) -> tuple[str, str]:
    category, colon, name = tag.partition(":")
    return (category, name) if colon else (OWN_CATEGORY, tag)


def _tag(rest: Rest, category: str, name: str) -> str:
    """The tag's id."""
    spec = {"name": category, "description": "", "cardinality": "MULTIPLE", "associable_types": []}
    inside = _found_or_made(rest, CATEGORY, category, lambda: rest.call("GET", CATEGORY), spec)

    def known() -> Any:
        return rest.call("POST", f"{TAG}/id:{inside}", action="list-tags-for-category")

    return _found_or_made(rest, TAG, name, known, {"name": name, "description": "", "category_id": inside})


def _found_or_made(rest: Rest, path: str, name: str, known: Callable[[], Any], spec: dict[str, Any]) -> str:
    """The id of what has this name, made by the spec if there is none. Another build may be faster."""

    def found() -> str | None:
        ids = known() or []
        return next((each for each in ids if rest.call("GET", f"{path}/id:{each}")["name"] == name), None)

    made = found()
    if made is None:
        try:
            made = str(rest.call("POST", path, {"create_spec": spec}))
        except Conflict:
            made = found()
            if made is None:
                raise
    return made
