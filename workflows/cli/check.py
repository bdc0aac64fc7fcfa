"""`hera validate`, `plan`, `render`, `generate`: everything that touches nothing."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.errors import ConfigError
from steps.domain.plan import digest_of
from workflows.backends.argo.submit import Order
from workflows.backends.argo.submit import workflow_of as ordered
from workflows.catalog import CATALOG, as_yaml, template
from workflows.catalog import workflow as workflow_of
from workflows.cli.image_plan import Building, order_for, show_image_plan
from workflows.cli.options import AsJson, Files, For, Only, Reinstall, Tables, desk_of, made, one_table, taking
from workflows.cli.tables import plan_text
from workflows.image_order import IMAGES

WorkflowName = Annotated[str, typer.Argument(metavar="WORKFLOW", help=f"one of: {', '.join(CATALOG)}")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(validate)
    app.command()(plan)
    app.command()(render)
    app.command(
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        help="Hera's own `generate` (YAML from Python and back), unchanged.",
    )(generate)


def validate(
    file: Tables, more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None, engine: For = "local"
) -> None:
    """Tell every fault of the given tables at once, as FILE:LINE:COL: message (hint)."""
    failed = False
    for path in [*file, *(more or [])]:
        try:
            hosts = len(desk_of(path, engine).plan().hosts)
            print(f"{path}: {hosts} host{'s' if hosts != 1 else ''}, no fault", file=sys.stderr)
        except ConfigError as error:
            failed = True
            print(error)
    if failed:
        raise typer.Exit(2)


@taking(building=Building)
def plan(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help=f"one of: install-hosts, {', '.join(IMAGES)}")],
    building: Building,
    file: Files = None, only: Only = None, reinstall: Reinstall = False, json: AsJson = False, engine: For = "local",
) -> None:  # fmt: skip
    """Show what a run would do, and touch nothing."""
    if workflow in IMAGES:
        show_image_plan(order_for(workflow, file or (), building, engine), as_json=json)
        return
    _known(workflow, needs_table=True)
    planned = desk_of(one_table(file or ()), engine).plan(only=only, reinstall=reinstall)
    if json:
        print(planned.model_dump_json(indent=2))
    else:
        print(plan_text(planned))
        print(f"plan {digest_of(planned)}", file=sys.stderr)


@taking(building=Building)
def render(
    building: Building,
    workflow: Annotated[str | None, typer.Argument(metavar="WORKFLOW", help=f"one of: {', '.join(CATALOG)}")] = None,
    file: Files = None,
    everything: Annotated[bool, typer.Option("--all", help="every workflow there is")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="folder for --all")] = None,
) -> None:
    """Print a workflow's template; with a table or settings, the Workflow of them. Or write all templates."""
    if everything != (workflow is None) or everything != (output is not None) or (everything and file):
        raise typer.BadParameter("either WORKFLOW [-f FILE], or --all -o DIR")
    if output is not None:
        made(output)
        for name in CATALOG:
            (output / f"{name}.yaml").write_text(as_yaml(template(name)))
            print(output / f"{name}.yaml")
        return
    name = _known(workflow or "")
    if not file and not building.is_said:
        print(as_yaml(template(name)), end="")
        return
    if name in IMAGES:
        image = order_for(name, file or (), building, "argo")
        order = Order(name, image.parameters, image.references, image.texts)
        print(as_yaml(ordered(order, f"{name}-1")), end="")
        return
    _known(name, needs_table=True)
    desk = desk_of(one_table(file or ()), "argo")
    desk.plan()
    run = f"{name}-1"
    parameters = {"table": desk.text.decode("utf-8-sig"), "desk": f"{run}-desk"}
    print(as_yaml(workflow_of(name, run=run, parameters=parameters, secrets=desk.references)), end="")


def generate(context: typer.Context) -> None:
    try:
        from hera.__main__ import main as upstream

        upstream(["generate", *context.args])  # type: ignore[no-untyped-call]
    except ModuleNotFoundError as error:
        print(f"{error} (hint: pip install 'hera[cli]')", file=sys.stderr)
        raise typer.Exit(2) from error


def _known(workflow: str, *, needs_table: bool = False) -> str:
    names = [name for name in CATALOG if not needs_table or name == "install-hosts"]
    if workflow not in names:
        raise typer.BadParameter(f"{workflow!r} is none of: {', '.join(names)}", param_hint="WORKFLOW")
    return workflow
