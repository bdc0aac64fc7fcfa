"""`hera run`: a workflow on this machine, without a cluster."""

import ipaddress
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.errors import NotFound
from steps.domain.report import FILES
from steps.vcenter import PICTURE
from workflows.backends.local_images import run_image
from workflows.backends.local_run import Options, Outcome, run_install_hosts
from workflows.backends.media_process import MediaAt, token_of
from workflows.cli.confirm import confirm
from workflows.cli.following import ENDS
from workflows.cli.image_plan import Building, order_for, tell_image_plan
from workflows.cli.options import Files, Limit, Only, Reinstall, Yes, desk_of, made, one_table, state_folder, taking
from workflows.cli.view import view_for
from workflows.image_order import IMAGES


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(run)


@taking(building=Building)
def run(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help=f"one of: install-hosts, {', '.join(IMAGES)}")],
    building: Building,
    file: Files = None,
    only: Only = None,
    reinstall: Reinstall = False,
    yes: Yes = False,
    limit: Limit = 0,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="put the report there as well")] = None,
    media: Annotated[str | None, typer.Option(metavar="URL", help="control URL of a running media service")] = None,
    media_address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="where BMCs, or guests, reach the media service")
    ] = "",
    media_port: Annotated[int, typer.Option(min=0, max=65535, help="its port; 0: any that is free")] = 0,
    json: Annotated[bool, typer.Option("--json", help="events as JSON lines on stdout")] = False,
) -> None:
    """Run a workflow from this machine. The plan is shown and confirmed first."""
    if report is not None:
        made(report)  # an hour later it would be too late to find that it cannot be made
    options = Options(
        state=made(state_folder()),
        only=only or (),
        reinstall=reinstall,
        limit=limit,
        media=_media_at(media) if media is not None else None,
        media_address=_address(media_address) if media_address else "",
        media_port=media_port,
    )
    if workflow in IMAGES:
        order = order_for(workflow, file or (), building, "local")
        tell_image_plan(order)
        with view_for(as_json=json, hosts=[], image=order.name) as view:
            outcome = run_image(order, options, view.show, os.environ)
        _tell(outcome, report)
        raise typer.Exit(outcome.exit_code)
    if workflow != "install-hosts":
        known = ", ".join(["install-hosts", *IMAGES])
        raise typer.BadParameter(f"{workflow!r} cannot be run here: {known}", param_hint="WORKFLOW")
    desk = desk_of(one_table(file or ()))
    plan = desk.plan(only=only, reinstall=reinstall)
    confirm(plan, yes=yes)
    with view_for(as_json=json, hosts=[host.name for host in plan.hosts]) as view:
        outcome = run_install_hosts(desk, plan, options, view.show, os.environ)
    _tell(outcome, report)
    raise typer.Exit(outcome.exit_code)


def _media_at(url: str) -> MediaAt:
    token = os.environ.get("HERASPHERE_MEDIA_TOKEN") or token_of(state_folder() / "media")
    if not url.startswith(("http://", "https://")):
        raise NotFound(f"{url!r} is no URL", where="--media", hint="the control URL which `hera media serve` prints")
    return MediaAt(url.rstrip("/"), token, "")


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError as error:
        hint = "an address of this machine, without a port: --media-port gives that"
        raise typer.BadParameter(f"{text!r} is no address ({hint})", param_hint="--media-address") from error


def _tell(outcome: Outcome, report: Path | None) -> None:
    """Say how it ended and where the report is."""
    written = [outcome.folder / name for name in FILES if (outcome.folder / name).exists()]
    if report is not None:
        written = [Path(shutil.copy(path, report / path.name)) for path in written]
    print(f"{outcome.run}: {ENDS[outcome.exit_code]}", file=sys.stderr)
    for path in [*written, *sorted(outcome.folder.rglob(PICTURE))]:
        print(f"  {path}", file=sys.stderr)
    print(f"  logs in {outcome.folder}", file=sys.stderr)
