"""What a cluster lacks for us, found without changing anything."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from steps.clients.kube import Kube
from steps.domain.errors import HerasphereError, NotFound
from workflows.catalog import CATALOG
from workflows.defaults import VERSION
from workflows.deploy.kinds import KINDS
from workflows.deploy.manifest import VERSION_LABEL
from workflows.deploy.media import NAME as MEDIA
from workflows.deploy.settings import Settings

Level = Literal["ok", "warning", "fault"]
CRDS = {"workflows", "workflowtemplates", "cronworkflows", "workflowtaskresults"}
WANTED_ARGO = (4, 0, 7)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `hint` says what to do unless it is ok."""

    level: Level
    what: str
    found: str
    hint: str = ""


def check_before(kube: Kube, settings: Settings) -> Iterator[Finding]:
    """What must be there before anything can be applied."""
    yield _crds(kube)
    yield from _permissions(kube, settings)
    yield _storage(kube, settings)
    yield from _controller(kube, settings)


def check_after(kube: Kube, settings: Settings) -> Iterator[Finding]:
    """What a deployment should have brought."""
    for name in CATALOG:
        yield _template(kube, settings, name)
    yield _media(kube, settings)


def _crds(kube: Kube) -> Finding:
    try:
        known = {each["name"] for each in kube.call("GET", "/apis/argoproj.io/v1alpha1")["resources"]}
    except NotFound:
        known = set()
    missing = sorted(CRDS - known)
    if missing:
        hint = "install Argo Workflows first; docs/deploy.md has the command"
        return Finding("fault", "Argo Workflows", f"no CRD {', '.join(missing)}", hint)
    return Finding("ok", "Argo Workflows", "its CRDs are there")


def _permissions(kube: Kube, settings: Settings) -> Iterator[Finding]:
    """Whether this user may apply every kind."""
    denied = []
    for kind in KINDS.values():
        asked: dict[str, Any] = {"verb": "patch", "group": kind.group, "resource": kind.plural}
        if kind.is_namespaced:
            asked["namespace"] = settings.namespace
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        answer = kube.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        if not answer["status"]["allowed"]:
            denied.append(kind.name)
    if denied:
        hint = "deploy as an administrator of the namespace; submitting needs only the role herasphere-operator"
        yield Finding("fault", "your rights", f"you may not apply {', '.join(denied)}", hint)
    else:
        yield Finding("ok", "your rights", "you may apply all of it")


def _storage(kube: Kube, settings: Settings) -> Finding:
    classes = kube.call("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
    names = {each["metadata"]["name"]: each["metadata"].get("annotations") or {} for each in classes}
    if settings.storage_class:
        if settings.storage_class in names:
            return Finding("ok", "storage", settings.storage_class)
        known = ", ".join(sorted(names)) or "none"
        return Finding("fault", "storage", f"no class {settings.storage_class}", f"there is: {known}")
    default = [n for n, a in names.items() if a.get("storageclass.kubernetes.io/is-default-class") == "true"]
    if default:
        return Finding("ok", "storage", f"{default[0]}, the default")
    hint = f"name one: --storage-class ({', '.join(sorted(names)) or 'there is none'})"
    return Finding("fault", "storage", "there is no default class", hint)


def _controller(kube: Kube, settings: Settings) -> Iterator[Finding]:
    """Argo's controller: its version, which namespaces it watches, how soon it looks again."""
    try:
        deployments = kube.call("GET", "/apis/apps/v1/deployments")["items"]
    except HerasphereError as error:
        yield Finding("warning", "Argo's controller", f"cannot be looked for: {error.what}", "ask an administrator")
        return
    found = [each for each in deployments if each["metadata"]["name"] == "workflow-controller"]
    if not found:
        yield Finding("warning", "Argo's controller", "no Deployment workflow-controller", "is it running elsewhere?")
        return
    container = found[0]["spec"]["template"]["spec"]["containers"][0]
    yield _version(str(container.get("image", "")))
    watched = _watched(container.get("args") or [], found[0]["metadata"]["namespace"])
    if watched and watched != settings.namespace:
        hint = f"deploy with -n {watched}, or let it watch {settings.namespace}: --managed-namespace"
        yield Finding("fault", "Argo's controller", f"watches only the namespace {watched}", hint)
    requeue = {each["name"]: each.get("value", "") for each in container.get("env") or []}
    if "DEFAULT_REQUEUE_TIME" not in requeue:
        hint = "set DEFAULT_REQUEUE_TIME=1s in its environment: each step then ends seconds sooner"
        yield Finding("warning", "Argo's pace", "the default requeue time of 10 s", hint)


def _version(image: str) -> Finding:
    match = re.search(r":v?(\d+)\.(\d+)\.(\d+)", image)
    if not match:
        return Finding("warning", "Argo's version", f"unknown ({image})", "4.0.7 or later is wanted")
    version = tuple(map(int, match.groups()))
    shown = ".".join(match.groups())
    if version < WANTED_ARGO:
        hint = "4.0.7 or later is wanted: before, a pod may be made again after its workflow has completed"
        return Finding("warning", "Argo's version", shown, hint)
    return Finding("ok", "Argo's version", shown)


def _watched(args: list[str], own: str) -> str:
    """The only namespace a controller with these arguments watches; empty: all."""
    if "--namespaced" not in args:
        return ""
    for index, each in enumerate(args):
        if each == "--managed-namespace" and index + 1 < len(args):
            return args[index + 1]
        if each.startswith("--managed-namespace="):
            return each.partition("=")[2]
    return own


def _template(kube: Kube, settings: Settings, name: str) -> Finding:
    try:
        found = kube.call("GET", KINDS["WorkflowTemplate"].path(settings.namespace, name))
    except NotFound:
        return Finding("fault", f"template {name}", "is not there", "hera deploy")
    version = (found["metadata"].get("labels") or {}).get(VERSION_LABEL, "unknown")
    if version != VERSION:
        return Finding("warning", f"template {name}", f"of version {version}, this is {VERSION}", "hera deploy")
    return Finding("ok", f"template {name}", version)


def _media(kube: Kube, settings: Settings) -> Finding:
    try:
        status = kube.call("GET", KINDS["Deployment"].path(settings.namespace, MEDIA)).get("status", {})
    except NotFound:
        return Finding("fault", "media service", "is not there", "hera deploy")
    if status.get("readyReplicas"):
        return Finding("ok", "media service", "runs")
    return Finding("fault", "media service", "is not ready", f"kubectl -n {settings.namespace} describe pod -l {LABEL}")


LABEL = f"app.kubernetes.io/name={MEDIA}"
