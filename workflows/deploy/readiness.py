"""Wait for the media service and say why it does not come up; see whether it can be reached from outside."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from steps.domain.errors import HerasphereError, TimedOut, Unavailable
from steps.domain.outcome import mapping
from steps.domain.wait import SYSTEM_CLOCK, Clock, wait_until
from workflows.deploy.kinds import Manifest
from workflows.deploy.media import NAME, SELECTOR, public_url
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

READY_WITHIN_S = 300.0
ANSWER_WITHIN_S = 5.0
REACHED_WITHIN_S = 15.0  # nodes learn the address of a new Service some seconds after its pods are ready
TROUBLE = (
    "FailedAttachVolume",
    "FailedBinding",
    "FailedCreatePodSandBox",
    "FailedMount",
    "ProvisioningFailed",
)
QUIET = ("ContainerCreating", "PodInitializing", "Completed")
FINAL = ("ErrImageNeverPull", "InvalidImageName")  # nothing will change without another deployment
HINTS = (
    ("podsecurity", "its namespace forbids ports of nodes: --expose loadbalancer, or allow them there"),
    ("free ports", "another program or pod has that port of the node: --media-port, or --media-node for another node"),
    ("image", "give the nodes that image, or name one that they can have: --image, --pull-secret"),
    ("manifest", "the registry has no such image: --image"),
    ("claim", "see `hera deploy --check` for storage: --storage-class, --storage-size"),
    ("volume", "see `hera deploy --check` for storage: --storage-class, --storage-size"),
    ("node(s) didn't match", "no node has these labels: --media-node"),
)
LABELS = ",".join(f"{key}={value}" for key, value in SELECTOR.items())


@dataclass(frozen=True)
class Look:
    """How the media service is: ready at a URL, or not, for a reason."""

    url: str = ""
    reason: str = ""
    is_final: bool = False


def wait_for_media(
    server: Server,
    settings: Settings,
    say: Callable[[str], None],
    *,
    timeout_s: float = READY_WITHIN_S,
    clock: Clock = SYSTEM_CLOCK,
) -> str:
    """The URL at which BMCs reach the media service, once its newest pod is ready; Unavailable with the reason."""
    last = Look()

    def probe() -> Look | None:
        nonlocal last
        before, last = last, look(server, settings)
        if last.reason and _kind(last) != _kind(before):
            say(f"the media service waits: {last.reason}")
        return last if last.url or last.is_final else None

    try:
        found = wait_until(probe, what="", where="", hint="-", timeout_s=timeout_s, every_s=1.0, clock=clock)
    except TimedOut:
        found = last
    if found.url:
        return found.url
    raise Unavailable(
        f"it does not come up: {found.reason or 'nothing says why'}",
        where=f"Deployment/{NAME}",
        hint=next(
            (hint for word, hint in HINTS if word in found.reason.lower()),
            f"kubectl -n {settings.namespace} describe pod -l {LABELS}",
        ),
    )


def look(server: Server, settings: Settings) -> Look:
    """How it is now."""
    deployment = server.get("Deployment", NAME)
    if deployment is None:
        return Look(reason="there is none", is_final=True)
    status = mapping(deployment.get("status"))
    pods = [each for each in _pods(server) if "deletionTimestamp" not in each["metadata"]]
    is_seen = status.get("observedGeneration") == deployment["metadata"].get("generation")
    if is_seen and status.get("updatedReplicas") == status.get("availableReplicas") == 1 and len(pods) == 1:
        return Look(url=public_url(settings, _bracketed(str(pods[0]["status"].get("hostIP", "")))))
    reason = next((told for pod in pods for told in _reasons(server, pod)), "") or _refused_pods(status)
    return Look(reason=reason, is_final=reason.startswith(FINAL))


def unreached(url: str, *, within_s: float = 0.0, clock: Clock = SYSTEM_CLOCK) -> str:
    """Empty if the media service answers there within this time, as seen from this machine; else why not."""
    why = "nothing was asked"

    def probe() -> bool:
        nonlocal why
        why = _refusal(url)
        return not why

    try:
        wait_until(probe, what="", where="", hint="-", timeout_s=within_s, every_s=1.0, clock=clock)
    except TimedOut:
        return why
    return ""


def _refusal(url: str) -> str:
    """What comes instead of its answer, empty if it answers."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # BMCs have no proxy either
            answer = session.get(url, timeout=ANSWER_WITHIN_S, allow_redirects=False)
    except requests.ConnectTimeout:
        return f"no answer within {ANSWER_WITHIN_S:g} s"
    except requests.RequestException as error:
        return str(error).rpartition("] ")[2].strip("()'\" ") or type(error).__name__
    said = answer.headers.get("Server", "")
    if answer.status_code != 404 or "aiohttp" not in said:
        return f"something else answers there ({answer.status_code} {said})".replace(" )", ")")
    return ""


def _kind(look: Look) -> str:
    return look.reason.partition(":")[0].replace("ImagePullBackOff", "ErrImagePull")


def _pods(server: Server) -> list[Manifest]:
    """The newest first."""
    path = f"/api/v1/namespaces/{server.namespace}/pods"
    found: list[Manifest] = server.asked(path, "list pods", labelSelector=LABELS)["items"]
    return sorted(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _reasons(server: Server, pod: Manifest) -> Iterator[str]:
    """Why this pod does not run, the most telling first."""
    status = mapping(pod.get("status"))
    for container in status.get("containerStatuses") or []:
        ended = mapping(mapping(container.get("lastState")).get("terminated"))
        for told in mapping(container.get("state")).values():
            if told.get("reason") and told["reason"] not in QUIET:
                message = _last_line(ended.get("message")) or str(told.get("message", ""))
                yield f"{told['reason']}: {message}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition.get("reason") == "Unschedulable":
            yield from _trouble(server, "PersistentVolumeClaim", NAME)
            yield f"no node takes it: {condition.get('message', '')}"
    yield from _trouble(server, "Pod", str(pod["metadata"]["name"]))


def _refused_pods(deployment: Mapping[str, Any]) -> str:
    """Why no pod may be made at all: a quota, or a security standard that forbids a port of the node."""
    for condition in deployment.get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return ""


def _trouble(server: Server, kind: str, name: str) -> Iterator[str]:
    """What was noted about an object that keeps it from what it is for, the newest first."""
    path = f"/api/v1/namespaces/{server.namespace}/events"
    chosen = f"involvedObject.kind={kind},involvedObject.name={name}"
    try:
        events = server.asked(path, "list events", fieldSelector=chosen)["items"]
    except HerasphereError:  # they only say more than is known without them
        return
    for event in sorted(events, key=lambda each: str(each.get("lastTimestamp") or ""), reverse=True):
        if event.get("reason") in TROUBLE:
            yield f"{event.get('reason', '')}: {event.get('message', '')}"


def _last_line(message: object) -> str:
    lines = str(message or "").strip().splitlines()
    return lines[-1] if lines else ""


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
