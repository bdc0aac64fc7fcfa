"""`hera deploy`: bring a cluster to the needed state, as often as wanted."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import typer

from steps.clients.kube import Kube
from steps.domain.errors import NotFound, Unsupported
from workflows.cli.options import Cluster, takes_cluster
from workflows.deploy import apply as applying
from workflows.deploy.check import Finding, check_after, check_before
from workflows.deploy.image import pinned
from workflows.deploy.kinds import KINDS
from workflows.deploy.media import NAME, SETTINGS_ANNOTATION
from workflows.deploy.objects import objects, rendered
from workflows.deploy.readiness import is_reached, wait_for_media
from workflows.deploy.settings import Expose, Settings, chosen


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(takes_cluster(deploy))


def deploy(
    cluster: Cluster,
    image: Annotated[str | None, typer.Option(metavar="REF", help="the runner image, best by digest")] = None,
    pull_secret: Annotated[str | None, typer.Option(metavar="NAME", help="Secret for the image's registry")] = None,
    media_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="where BMCs reach the media service; default: its node")
    ] = None,
    media_port: Annotated[int | None, typer.Option(metavar="PORT", help="its port there (8080)")] = None,
    media_node: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="nodes it may run on")] = None,
    expose: Annotated[Expose | None, typer.Option(help="by a port of its node, or by a load balancer")] = None,
    storage_class: Annotated[str | None, typer.Option(metavar="NAME", help="of its volume")] = None,
    storage_size: Annotated[str | None, typer.Option(metavar="SIZE", help="of its volume (20Gi)")] = None,
    render: Annotated[bool, typer.Option("--render", help="print the objects as YAML, for GitOps; ask nobody")] = False,
    check: Annotated[bool, typer.Option("--check", help="say what is missing, change nothing")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="have the API server check it, change nothing")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="remove what earlier versions left; never data")] = False,
    take_over: Annotated[bool, typer.Option("--take-over", help="set fields that somebody else has changed")] = False,
) -> None:
    """Bring a cluster to the needed state: namespace, rights, media service, templates, schedules.

    What was chosen once is remembered on the cluster, and holds until another choice is made.
    """
    options = {
        "image": image,
        "pull_secret": pull_secret,
        "media_address": media_address,
        "media_port": media_port,
        "media_node": tuple(media_node) if media_node else None,
        "expose": expose,
        "storage_class": storage_class,
        "storage_size": storage_size,
    }
    given = {name: value for name, value in options.items() if value is not None} | {"namespace": cluster.namespace}
    if render:
        print(rendered(chosen(given)), end="")
        return
    kube = cluster.kube()
    settings = chosen(given, _remembered(kube, cluster.namespace))
    findings = list(check_before(kube, settings))
    if check:
        _show([*findings, *check_after(kube, settings)])
    _refuse_faults(findings)
    _bring(kube, settings, dry_run=dry_run, prune=prune, take_over=take_over)


def _remembered(kube: Kube, namespace: str) -> str:
    """What the last deployment chose; empty without one."""
    with suppress(NotFound):
        metadata = kube.call("GET", KINDS["Deployment"].path(namespace, NAME))["metadata"]
        return str((metadata.get("annotations") or {}).get(SETTINGS_ANNOTATION, ""))
    return ""


def _bring(kube: Kube, settings: Settings, *, dry_run: bool, prune: bool, take_over: bool) -> None:
    """Apply everything, and say what became of it and where the media service is."""
    image = pinned(kube, settings.image)
    if "@" in image:
        settings = replace(settings, pinned=image)
    else:
        _say(f"the image {image} is named by its tag: nodes may hold different ones under it (--image REF@sha256:…)")
    namespace, *others = wanted = objects(settings)
    _tell(applying.apply(kube, [namespace], take_over=take_over, dry_run=dry_run))
    _tell([applying.ensure_token(kube, settings, dry_run=dry_run)])
    _tell(applying.apply(kube, others, take_over=take_over, dry_run=dry_run))
    left = applying.left_over(kube, settings, wanted)
    if prune and not dry_run:
        applying.remove(kube, settings, left)
        _tell(left)
    else:
        for change in left:
            _say(f"{change.kind}/{change.name} is of an earlier version: --prune removes it")
    if not dry_run:
        _say_where(wait_for_media(kube, settings, _say))


def _say_where(url: str) -> None:
    _say(f"BMCs and installers will reach the media service at {url}")
    if why := is_reached(url):
        hint = "--media-address names another address; see the firewall too"
        _say(f"this machine does not reach it ({why}); servers that do not either cannot be installed (hint: {hint})")


def _tell(changes: Iterable[applying.Change]) -> None:
    for change in changes:
        print(f"{change.done:9}  {change.kind}/{change.name}", flush=True)


def _show(findings: list[Finding]) -> None:
    """Print them; exit code 1 if something is a fault."""
    for finding in findings:
        print(f"{finding.level:7}  {finding.what}: {finding.found}")
        if finding.hint:
            print(f"         ({finding.hint})")
    raise typer.Exit(1 if any(finding.level == "fault" for finding in findings) else 0)


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
