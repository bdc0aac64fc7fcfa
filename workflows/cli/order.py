"""From the options of a command to what is to run on the cluster: planned, checked and confirmed at the desk."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.plan import InstallPlan
from workflows.backends.argo.backend import Backend
from workflows.backends.argo.isos import approved, isos_of
from workflows.backends.argo.submit import Order, check_parameters, declared, found_template
from workflows.cli.confirm import confirm
from workflows.desk import Desk

OF_OPTIONS = {
    "table": "-f FILE",
    "only": "--only HOST",
    "reinstall": "--reinstall",
    "limit": "--limit N",
    "approve": "--approve",
    "approved": "the plan that is shown",
    "desk": "env: and file: in the table",
}

Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="of the workflow; repeatable")
]
Approve = Annotated[bool, typer.Option("--approve", help="wait after the plan until somebody says `hera approve`")]


@dataclass(frozen=True)
class Asked:
    """What the options say."""

    workflow: str
    file: Path | None = None
    parameters: Sequence[str] = ()
    only: Sequence[str] = ()
    reinstall: bool = False
    limit: int = 0
    approve: bool = False

    @property
    def about_hosts(self) -> bool:
        return bool(self.file or self.only or self.reinstall or self.limit or self.approve)


def order_of(backend: Backend, asked: Asked, *, yes: bool, asks: bool = True) -> tuple[Order, list[str]]:
    """The order, and the hosts it is about: in the table's order, none for a workflow without a table."""
    given = _given(asked.parameters)
    template = found_template(backend, asked.workflow)
    if "table" not in declared(template):
        if asked.about_hosts:
            raise typer.BadParameter(f"{asked.workflow} takes no host table and none of its options", param_hint="-f")
        check_parameters(template, given)
        return Order(asked.workflow, given), []
    if asked.file is None:
        raise typer.BadParameter(f"{asked.workflow} needs a host table", param_hint="-f FILE")
    with isos_of(backend, elsewhere=bool(given.get("media"))) as held:
        desk = Desk(asked.file, os.environ, "argo", held)
        plan = desk.plan(only=list(asked.only), reinstall=asked.reinstall)
    parameters = given | {
        "table": desk.text.decode("utf-8-sig"),
        "only": json.dumps(sorted(asked.only)),
        "reinstall": json.dumps(asked.reinstall),
        "limit": str(asked.limit),
        "approve": json.dumps(asked.approve),
        "approved": approved(plan),
    }
    check_parameters(template, parameters)
    if desk.secrets:
        backend.secrets()  # refused now where there are none, not after the question
    tell_unknown(plan)
    confirm(plan, yes=yes, asks=asks)
    return Order(asked.workflow, parameters, desk.references, desk.secrets), [host.name for host in plan.hosts]


def tell_unknown(plan: InstallPlan) -> None:
    """Say so, if an ISO of the plan is known to nobody who can be asked from the desk."""
    if not approved(plan):
        print("which ISO that is will be checked by the run's first step, not here", file=sys.stderr)


def _given(parameters: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in parameters:
        name, is_pair, value = text.partition("=")
        if not is_pair or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="-p")
        if name in OF_OPTIONS:
            raise typer.BadParameter(f"{name} is given by {OF_OPTIONS[name]}", param_hint="-p")
        given[name] = value
    return given
