"""From the options of a command to what is to run on the cluster: planned, checked and confirmed at the desk."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.plan import InstallPlan
from workflows.backends.argo.backend import Backend, Manifest
from workflows.backends.argo.isos import approved, isos_of
from workflows.backends.argo.submit import Order, check_parameters, declared, found_template
from workflows.backends.bundles import send_bundles
from workflows.cli.confirm import confirm
from workflows.cli.image_plan import Building, order_for, tell_image_plan
from workflows.cli.options import one_table
from workflows.desk import Desk

OF_OPTIONS = {
    "table": "-f FILE",
    "settings": "-f FILE",
    "image": "--image FILE",
    "only": "--only HOST",
    "reinstall": "--reinstall",
    "limit": "--limit N",
    "approve": "--approve",
    "force": "--force",
    "on_error": "--on-error",
    "version": "build_version in the settings",
    "approved": "the plan that is shown",
    "approved_image": "the plan that is shown",
    "desk": "env: and file: in the files given",
}

Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="of the workflow; repeatable")
]
Approve = Annotated[bool, typer.Option("--approve", help="wait after the plan until somebody says `hera approve`")]


@dataclass(frozen=True)
class Asked:
    """What the options say."""

    workflow: str
    files: Sequence[Path] = ()
    parameters: Sequence[str] = ()
    only: Sequence[str] = ()
    reinstall: bool = False
    limit: int = 0
    approve: bool = False
    building: Building = field(default_factory=Building)

    @property
    def about_hosts(self) -> bool:
        return bool(self.only or self.reinstall or self.limit or self.approve)


@dataclass(frozen=True)
class Ordered:
    """The order, and what its run is about: hosts in their table's order, or an image."""

    order: Order
    hosts: Sequence[str] = ()
    image: str = ""


def order_of(backend: Backend, asked: Asked, *, yes: bool, asks: bool = True) -> Ordered:
    """What is asked for, once it was shown and confirmed. asks: False where nothing will be touched"""
    given = _given(asked.parameters)
    template = found_template(backend, asked.workflow)
    takes = declared(template).keys()
    if "table" in takes:
        return _of_hosts(backend, asked, template, given, yes=yes, asks=asks)
    if asked.about_hosts or (asked.files and "settings" not in takes):
        raise typer.BadParameter(f"{asked.workflow} takes no host table and none of its options", param_hint="-f")
    if "settings" in takes:
        return _of_image(backend, asked, template, given, keeps=asks)
    _refuse_image_options(asked)
    check_parameters(template, given)
    return Ordered(Order(asked.workflow, given))


def _of_hosts(
    backend: Backend, asked: Asked, template: Manifest, given: Mapping[str, str], *, yes: bool, asks: bool
) -> Ordered:
    _refuse_image_options(asked)
    if not asked.files:
        raise typer.BadParameter(f"{asked.workflow} needs a host table", param_hint="-f FILE")
    with isos_of(backend, elsewhere=bool(given.get("media"))) as held:
        desk = Desk(one_table(asked.files), os.environ, "argo", held)
        plan = desk.plan(only=list(asked.only), reinstall=asked.reinstall)
    parameters = {
        **given,
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
    order = Order(asked.workflow, parameters, desk.references, desk.secrets)
    return Ordered(order, hosts=[host.name for host in plan.hosts])


def _of_image(backend: Backend, asked: Asked, template: Manifest, given: Mapping[str, str], *, keeps: bool) -> Ordered:
    """keeps: whether the media service is given the files that the settings refer to"""
    image = order_for(asked.workflow, asked.files, asked.building, "argo")
    parameters = {**given, **image.parameters}
    check_parameters(template, parameters)
    if image.texts:
        backend.secrets()  # refused now where there are none
    tell_image_plan(image)
    if keeps and any(part.desk.members for part in image.parts):
        with backend.media() as service:
            send_bundles(image, service)
    order = Order(asked.workflow, parameters, image.references, image.texts)
    return Ordered(order, image=image.name)


def _refuse_image_options(asked: Asked) -> None:
    if asked.building.is_said:
        raise typer.BadParameter(f"{asked.workflow} builds no image", param_hint="--force, --on-error")


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
