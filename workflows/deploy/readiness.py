"""Wait for the media service, say why it does not come up, and see whether it can be reached from outside."""

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from steps.clients.kube import Kube
from steps.domain.errors import TimedOut, Unavailable
from steps.domain.wait import wait_until
from workflows.deploy.check import LABEL
from workflows.deploy.kinds import KINDS
from workflows.deploy.media import NAME, public_url
from workflows.deploy.settings import Settings

READY_WITHIN_S = 180.0
CONNECT_S = 5.0


def wait_for_media(kube: Kube, settings: Settings, say: Callable[[str], None]) -> str:
    """Where BMCs reach the media service, once its newest pod is ready; Unavailable with the pod's reason."""
    told = ""

    def look() -> str | None:
        nonlocal told
        deployment = kube.call("GET", KINDS["Deployment"].path(settings.namespace, NAME))
        status, wanted = deployment.get("status", {}), deployment["metadata"]["generation"]
        pods = _pods(kube, settings)
        if status.get("observedGeneration") == wanted and status.get("readyReplicas") == 1 and len(pods) == 1:
            return str(pods[0]["status"]["hostIP"])
        reason = next(filter(None, map(_reason, pods)), "")
        if reason and reason != told:
            told = reason
            say(f"media service: {reason}")
        return None

    hint = f"kubectl -n {settings.namespace} describe pod -l {LABEL}"
    try:
        node = wait_until(
            look, what="its pod", where=settings.namespace, hint=hint, timeout_s=READY_WITHIN_S, every_s=1.0
        )
    except TimedOut as error:
        what = f"the media service does not come up: {told or error.what}"
        raise Unavailable(what, where=settings.namespace, hint=hint) from error
    return public_url(settings, node)


def is_reached(url: str) -> str:
    """Empty if something listens there, as seen from this machine; else why not."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=CONNECT_S):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _pods(kube: Kube, settings: Settings) -> list[dict[str, Any]]:
    path = f"/api/v1/namespaces/{settings.namespace}/pods"
    found: list[dict[str, Any]] = kube.call("GET", path, query={"labelSelector": LABEL})["items"]
    return found


def _reason(pod: dict[str, Any]) -> str:
    """Why this pod does not run, as Kubernetes tells it."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses") or []:
        state = container.get("state", {})
        for kind in ("waiting", "terminated"):
            if state.get(kind, {}).get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                told = state[kind]
                return f"{told['reason']}: {told.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition.get("status") == "False" and condition.get("reason") == "Unschedulable":
            return f"cannot be scheduled: {condition.get('message', '')}"
    return ""
