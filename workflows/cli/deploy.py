"""`hera deploy`: bring a cluster to the needed state, as often as wanted."""

import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import typer

from steps.domain.errors import HerasphereError, Unavailable, Unsupported
from workflows.cli.options import Kubernetes, taking
from workflows.deploy import balancer, check, prune
from workflows.deploy.apply import Change, apply, rehearsed, token
from workflows.deploy.finding import Finding
from workflows.deploy.image import pinned
from workflows.deploy.media import NAME, last_settings
from workflows.deploy.objects import objects, rendered
from workflows.deploy.readiness import REACHED_WITHIN_S, unreached, wait_for_media
from workflows.deploy.running import refuse_disturbance
from workflows.deploy.server import Server
from workflows.deploy.settings import Expose, PullPolicy, Settings, chosen


@dataclass(frozen=True)
class Choices:
    """What can be chosen about a deployment; what is not is as it was last time, or as it is by default."""

    image: Annotated[str | None, typer.Option(metavar="REF", help="the runner image, best by digest")] = None
    pull_policy: Annotated[PullPolicy | None, typer.Option(help="when nodes pull it (IfNotPresent)")] = None
    pull_secret: Annotated[str | None, typer.Option(metavar="NAME", help="Secret for the image's registry")] = None
    expose: Annotated[Expose | None, typer.Option(help="media service: by a port of its node, or a load balancer")] = (
        None
    )
    media_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="where BMCs reach it; default: its node's, or the balancer's")
    ] = None
    media_port: Annotated[int | None, typer.Option(metavar="PORT", help="its port there (8080)")] = None
    media_node: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="label of nodes it may be on")] = (
        None
    )
    storage_class: Annotated[str | None, typer.Option(metavar="NAME", help="of its volume")] = None
    storage_size: Annotated[str | None, typer.Option(metavar="SIZE", help="of its volume (20Gi)")] = None
    artifacts: Annotated[
        bool | None, typer.Option("--artifacts/--no-artifacts", help="show kickstarts and reports in Argo's UI")
    ] = None

    def given(self) -> dict[str, Any]:
        """Those that were made."""
        made = {name: value for name, value in asdict(self).items() if value is not None}
        return made | ({"media_node": tuple(self.media_node)} if self.media_node is not None else {})


@dataclass(frozen=True)
class Ways:
    """How far to go."""

    forget: Annotated[bool, typer.Option("--forget", help="begin with no choice of last time")] = False
    render: Annotated[bool, typer.Option("--render", help="print the objects as YAML, for GitOps; ask nobody")] = False
    check: Annotated[bool, typer.Option("--check", help="say what is missing or wrong; change nothing")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="have the server check it all; change nothing")] = False
    wait: Annotated[int, typer.Option(min=0, metavar="SECONDS", help="for the media service to be ready")] = 300
    prune: Annotated[bool, typer.Option("--prune", help="remove what earlier versions left, but no data")] = False
    prune_data: Annotated[
        list[str] | None, typer.Option(metavar="KIND/NAME", help="with --prune: this volume claim or Secret too")
    ] = None
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask before something is removed")] = False
    take_over: Annotated[bool, typer.Option("--take-over", help="set fields that somebody else has set")] = False
    while_running: Annotated[bool, typer.Option("--while-running", help="even where it reaches into runs")] = False


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(deploy)


@taking(choices=Choices, ways=Ways, cluster=Kubernetes)
def deploy(cluster: Kubernetes, choices: Choices, ways: Ways) -> None:
    """Bring a cluster to the needed state: namespace, rights, media service, templates, schedules.

    What was chosen once is remembered on the cluster, and holds until another choice is made.
    """
    if ways.prune_data and not ways.prune:
        raise typer.BadParameter("goes with --prune", param_hint="--prune-data")
    given = choices.given() | {"namespace": cluster.namespace}
    settings = chosen(given)
    if ways.render:
        if balancer.is_wanted(settings):
            raise typer.BadParameter(
                "a load balancer's address has to be known: --media-address", param_hint="--render"
            )
        print(rendered(settings), end="")
        return
    server = Server(cluster.kube())
    settings = chosen(given, "" if ways.forget else last_settings(server.get("Deployment", NAME)))
    found = list(check.before(server, settings))
    if ways.check:
        _show([*found, *_after(server, settings)])
    _refuse_faults(found)
    settings = balancer.with_address(server, _pinned(server, settings))
    _bring(server, settings, ways)


def _pinned(server: Server, settings: Settings) -> Settings:
    """The settings with the image by its digest, if that is told."""
    reference, source = pinned(server, settings)
    if reference:
        _say(f"image: {reference}, {source}")
    else:
        hint = "--image REF@sha256:… says which one"
        _say(f"image: {settings.image} by its tag alone ({source}): nodes may hold different ones under it ({hint})")
    return replace(settings, pinned=reference)


def _after(server: Server, settings: Settings) -> list[Finding]:
    try:
        reference, _ = pinned(server, settings)
    except HerasphereError as error:
        return [Finding("fault", "image", error.what, error.hint)]
    settings = balancer.with_address(server, replace(settings, pinned=reference))
    return list(check.after(server, settings, os.environ.get("HERASPHERE_MEDIA_TOKEN", "")))


def _bring(server: Server, settings: Settings, ways: Ways) -> None:
    """Apply everything, and say what became of it and where the media service is."""
    changes = rehearsed(server, objects(settings), take_over=ways.take_over)
    if ways.dry_run:
        _tell(changes)
        _say("the server would take it; nothing was changed")
        return
    if not ways.while_running:
        refuse_disturbance(server, changes)
    settings = balancer.with_new_address(server, settings, take_over=ways.take_over)
    namespace, *others = wanted = objects(settings)
    _tell(apply(server, [namespace], take_over=ways.take_over))
    _tell([token(server, settings)])
    _tell(apply(server, others, take_over=ways.take_over))
    _prune(server, prune.left_over(server, wanted, ways.prune_data or ()), asked=ways.prune, yes=ways.yes)
    try:
        url = wait_for_media(server, settings, _say, timeout_s=ways.wait)
    except Unavailable as error:  # all of it has been applied: no wrong usage
        _say(f"the media service: {error.what} (hint: {error.hint})")
        raise typer.Exit(1) from error
    _say_where(url)


def _prune(server: Server, left: list[Change], *, asked: bool, yes: bool) -> None:
    """Remove them if that was asked for, and confirmed."""
    names = ", ".join(map(str, left))
    if not left:
        return
    if not asked:
        _say(f"of an earlier version: {names}; --prune removes them")
        return
    _say(f"of an earlier version, and to be removed: {names}")
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("not asked before removing, as this is no terminal", param_hint="--yes")
        print("Remove them? Type yes: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() != "yes":
            _say("nothing was removed")
            return
    prune.remove(server, left)
    _tell(left)


def _say_where(url: str) -> None:
    _say(f"BMCs and installers reach the media service at {url}")
    if why := unreached(url, within_s=REACHED_WITHIN_S):
        _say(
            f"this desk does not reach it there: {why}. That is no fault if the servers' networks do; a server whose "
            "BMC does not cannot be installed (hint: --media-address names another way to it; see the firewall)"
        )
    else:
        _say("this desk reaches it there; see that the BMCs' and the servers' networks do too")


def _tell(changes: Iterable[Change]) -> None:
    for change in changes:
        print(f"{change.done:9}  {change}", flush=True)


def _show(findings: list[Finding]) -> None:
    """Print them; exit code 1 if something is a fault."""
    for finding in findings:
        print(f"{finding.level:7}  {finding.what}: {finding.found}")
        if finding.hint:
            print(f"         ({finding.hint})")
    faults = sum(finding.level == "fault" for finding in findings)
    _say(f"{faults} fault{'s' if faults != 1 else ''}" if faults else "no fault")
    raise typer.Exit(1 if faults else 0)


def _refuse_faults(findings: list[Finding]) -> None:
    """Say what is not well; Unsupported if something is a fault, and nothing was touched."""
    for finding in findings:
        if finding.level == "warning":
            _say(f"{finding.what}: {finding.found} (hint: {finding.hint})")
    faults = [finding for finding in findings if finding.level == "fault"]
    if faults:
        told = "; ".join(f"{each.what}: {each.found}" for each in faults)
        raise Unsupported(told, where="this cluster", hint="; ".join(each.hint for each in faults))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
