"""Argo's controller as it runs on the cluster: its version, what it watches, how soon it looks again."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from steps.domain.errors import HerasphereError, NotFound
from steps.domain.outcome import mapping
from workflows.deploy.finding import Finding
from workflows.deploy.kinds import Manifest
from workflows.deploy.server import Server

PROGRAM = "workflow-controller"
SETTINGS = "workflow-controller-configmap"
WANTED = (4, 0, 7)
REPOSITORIES = "artifact-repositories"
DEFAULT_REPOSITORY = "workflows.argoproj.io/default-artifact-repository"
PACE = "DEFAULT_REQUEUE_TIME"


@dataclass(frozen=True)
class Controller:
    """One Deployment of it. settings: of its ConfigMap; None when they could not be read"""

    namespace: str
    image: str
    args: tuple[str, ...]
    environment: frozenset[str]
    settings: Mapping[str, Any] | None


def findings(server: Server, *, artifacts: bool = False) -> Iterator[Finding]:
    """About the controller that is to run our workflows. artifacts: whether steps are to leave any"""
    try:
        found = [_controller(server, each) for each in _deployments(server)]
    except HerasphereError as error:
        yield Finding("note", "Argo's controller", f"cannot be looked at: {error.what}", "ask an administrator")
        return
    if not found:
        hint = "if it runs elsewhere, see that it watches this namespace; else install Argo Workflows"
        yield Finding("warning", "Argo's controller", f"there is no Deployment of {PROGRAM}", hint)
        return
    ours = [each for each in found if watched(each.args, each.namespace) in ("", server.namespace)]
    yield _watching(server.namespace, found, ours)
    for each in ours or found:
        yield _version(each.image)
        yield from _pace(each)
        yield from _settings(each)
    yield _repository(server, ours or found, artifacts)


def watched(args: tuple[str, ...], own: str) -> str:
    """The only namespace that a controller with these arguments watches; empty: all."""
    if not {"--namespaced", "--namespaced=true"} & set(args):
        return ""
    return _argument(args, "--managed-namespace") or own


def _repository(server: Server, controllers: list[Controller], artifacts: bool) -> Finding:
    """Nothing of ours needs one by default; steps that are to leave artifacts fail where there is none."""
    what = "artifact repository"
    if any(each.settings and each.settings.get("artifactRepository") for each in controllers):
        return Finding("ok", what, "Argo's UI keeps the logs of pods that are gone, if archiveLogs is on")
    if default := _default_repository(server):
        return Finding("ok", what, f"{default} of the ConfigMap {REPOSITORIES}")
    if not artifacts:
        hint = "nothing of ours needs one; with it Argo's UI can show kickstarts and reports: `hera deploy --artifacts`"
        return Finding("note", what, "none", hint)
    hint = f"configure one in {SETTINGS} or the ConfigMap {REPOSITORIES}, or `hera deploy --no-artifacts`"
    return Finding("fault", what, "none: steps that leave artifacts would fail", hint)


def _default_repository(server: Server) -> str:
    """The one that the namespace names for all its workflows; empty when there is none to be seen."""
    path = f"/api/v1/namespaces/{server.namespace}/configmaps/{REPOSITORIES}"
    try:
        named = server.asked(path, f"read {REPOSITORIES}")
    except HerasphereError:
        return ""
    return str(mapping(named["metadata"].get("annotations")).get(DEFAULT_REPOSITORY, ""))


def _argument(args: tuple[str, ...], name: str) -> str:
    for index, each in enumerate(args):
        if each == name and index + 1 < len(args):
            return args[index + 1]
        if each.startswith(f"{name}="):
            return each.partition("=")[2]
    return ""


def _deployments(server: Server) -> list[Manifest]:
    """By the program they run: each way to install Argo names them in its own way."""
    items = server.asked("/apis/apps/v1/deployments", "look for Argo's controller in all namespaces")["items"]
    return [each for each in items if _container(each)]


def _container(deployment: Manifest) -> Manifest:
    containers = deployment["spec"]["template"]["spec"].get("containers") or []
    ours = (each for each in containers if PROGRAM in (_program(str(each.get("image", ""))), each.get("name")))
    return next(ours, {})


def _program(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _controller(server: Server, deployment: Manifest) -> Controller:
    container, namespace = _container(deployment), str(deployment["metadata"]["namespace"])
    args = tuple(map(str, [*(container.get("command") or []), *(container.get("args") or [])]))
    environment = frozenset(str(each.get("name")) for each in container.get("env") or [])
    name = _argument(args, "--configmap") or SETTINGS
    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    settings: Mapping[str, Any] | None
    try:
        settings = _read(server.asked(path, f"read {name}").get("data") or {})
    except NotFound:
        settings = {}
    except HerasphereError:
        settings = None
    return Controller(namespace, str(container.get("image", "")), args, environment, settings)


def _read(data: Mapping[str, str]) -> Mapping[str, Any]:
    """Each key is YAML of its own; in older installations all of it is under `config`."""
    try:
        values = {key: yaml.safe_load(text) for key, text in data.items()}
    except yaml.YAMLError:
        return data
    return {**mapping(values.pop("config", {})), **values}


def _watching(namespace: str, found: list[Controller], ours: list[Controller]) -> Finding:
    places = ", ".join(sorted({each.namespace for each in ours or found}))
    if ours:
        return Finding("ok", "Argo's controller", f"in namespace {places}, watches {namespace}")
    only = ", ".join(sorted({watched(each.args, each.namespace) for each in found}))
    hint = f"deploy with -n {only}, or let it watch all: without --namespaced"
    return Finding("fault", "Argo's controller", f"watches only the namespace {only}", hint)


def _version(image: str) -> Finding:
    match = re.search(r":v?(\d+)\.(\d+)\.(\d+)", image)
    if not match:
        return Finding("note", "Argo's version", f"unknown ({image})", "4.0.7 or later is wanted")
    if tuple(map(int, match.groups())) < WANTED:
        hint = "4.0.7 or later is wanted: before it, a pod may be made again after its workflow has completed"
        return Finding("warning", "Argo's version", ".".join(match.groups()), hint)
    return Finding("ok", "Argo's version", ".".join(match.groups()))


def _pace(controller: Controller) -> Iterator[Finding]:
    if PACE not in controller.environment:
        hint = f"set {PACE}=1s in the controller's environment: each step then ends seconds sooner"
        yield Finding("note", "Argo's pace", "the default, it looks at a workflow again after 10 s", hint)


def _settings(controller: Controller) -> Iterator[Finding]:
    if controller.settings is None:
        yield Finding("note", "Argo's settings", "may not be read by this user", "an administrator sees more")
        return
    if instance := controller.settings.get("instanceID"):
        hint = "our workflows have no such label; let a controller without instanceID watch this namespace"
        yield Finding("fault", "Argo's settings", f"instanceID {instance}: it sees only workflows of that label", hint)
