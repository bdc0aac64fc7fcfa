"""What a step or task becomes when its turn comes, and what its end makes known to those after it."""

import re
from dataclasses import dataclass

from workflows.backends.local.expressions import ExpressionError, when_is_true
from workflows.backends.local.nodes import Node, timestamp
from workflows.backends.local.reading import Manifest, arguments_of, fans_out
from workflows.backends.local.templating import (
    NotAList,
    UnknownTag,
    aggregate,
    aggregate_results,
    go_json,
    item_name,
    item_scope,
    parse_list,
    replace,
    tags_in,
    text_of,
)

EMPTY = "Skipped, empty params"
Scope = dict[str, str]
CANNOT = (UnknownTag, NotAList, ExpressionError)  # what makes a node an Error before anything of it has run


@dataclass(frozen=True)
class Planned:
    """A step or task whose turn has come: one of a fan-out, or the only one. skipped: why it does not run."""

    name: str
    template: str
    arguments: dict[str, str]
    skipped: str = ""


def plan(call: Manifest, scope: Scope) -> list[Planned]:
    """The nodes that a step or task becomes; one that does not run may name what is not known."""
    if not fans_out(call):
        return [_planned(call["name"], call, scope)]
    try:
        items = (
            replace(call["withItems"], scope) if "withItems" in call else parse_list(replace(call["withParam"], scope))
        )
    except (UnknownTag, NotAList):
        if "item" in " ".join(tags_in(call.get("when", ""))) or _runs(call, scope):
            raise
        items = []
    if not items:
        return [Planned(call["name"], call["template"], {}, skipped=EMPTY)]
    return [
        _planned(item_name(call["name"], index, item), call, scope | item_scope(item))
        for index, item in enumerate(items)
    ]


def _planned(name: str, call: Manifest, scope: Scope) -> Planned:
    if not _runs(call, scope):
        return Planned(name, call["template"], {}, skipped=f"when '{replace(call['when'], scope)}' evaluated false")
    given = {each["name"]: text_of(replace(each.get("value", ""), scope)) for each in arguments_of(call)}
    return Planned(name, call["template"], given)


def _runs(call: Manifest, scope: Scope) -> bool:
    return not call.get("when") or when_is_true(replace(str(call["when"]), scope))


def published(prefix: str, call: Manifest, nodes: list[Node]) -> Scope:
    """What the end of a step or task makes known to those after it; of a fan-out, lists over all that succeeded."""
    if fans_out(call) and nodes[0].display_name != call["name"]:
        done = [node for node in nodes if node.phase == "Succeeded"]
        names = dict.fromkeys(name for node in done for name in node.outputs)
        by_name = {name: [node.outputs[name] for node in done if name in node.outputs] for name in names}
        known = {f"{prefix}.outputs.parameters.{name}": aggregate(values) for name, values in by_name.items()}
        known[f"{prefix}.outputs.parameters"] = go_json([d.outputs for d in done if d.outputs], sort_keys=True)
        known[f"{prefix}.outputs.result"] = aggregate_results([d.result for d in done if d.result is not None])
        return known
    node = nodes[0]
    known = {f"{prefix}.id": node.id, f"{prefix}.status": node.phase}
    known |= {f"{prefix}.startedAt": timestamp(node.started_at), f"{prefix}.finishedAt": timestamp(node.finished_at)}
    known |= {f"{prefix}.outputs.parameters.{name}": value for name, value in node.outputs.items()}
    known |= {} if node.result is None else {f"{prefix}.outputs.result": node.result}
    return known | ({} if node.exit_code is None else {f"{prefix}.exitCode": str(node.exit_code)})


def results_wanted(template: Manifest) -> set[str]:
    """Steps and tasks whose stdout somebody in the template reads; only theirs is kept, as on Argo."""
    found = (re.fullmatch(r"(?:steps|tasks)\.(.+)\.outputs\.result", tag) for tag in tags_in(template))
    return {match[1] for match in found if match}
