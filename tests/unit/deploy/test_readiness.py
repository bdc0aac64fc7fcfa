"""The media service after it was applied: where it is, or why it does not come up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from steps.domain.errors import TimedOut, Unavailable
from tests.unit.deploy.api import Api
from tests.unit.media.serving import service
from workflows.deploy import balancer
from workflows.deploy.kinds import KINDS
from workflows.deploy.readiness import READY_WITHIN_S, unreached, wait_for_media
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

PODS = "/api/v1/namespaces/herasphere/pods"
EVENTS = "/api/v1/namespaces/herasphere/events"
PUBLIC = KINDS["Service"].path("herasphere", "herasphere-media-public")


class Clock:
    """Time passes only while somebody sleeps; `then` happens in the first sleep."""

    def __init__(self, then: Any = None) -> None:
        self.time = 0.0
        self.then = then

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.then:
            self.then()
            self.then = None


def deployment(api: Api, *, is_ready: bool) -> None:
    replicas = {"updatedReplicas": 1, "availableReplicas": 1} if is_ready else {}
    made = {"metadata": {"name": "herasphere-media", "generation": 2}, "status": {"observedGeneration": 2} | replicas}
    api.objects[KINDS["Deployment"].path("herasphere", "herasphere-media")] = made


def pod(api: Api, name: str = "p", *, made_at: str = "2026-01-01", deleted: bool = False, **status: Any) -> None:
    metadata: dict[str, Any] = {"name": name, "creationTimestamp": made_at}
    metadata["labels"] = {"app.kubernetes.io/name": "herasphere-media"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-02"
    api.objects[f"{PODS}/{name}"] = {"metadata": metadata, "status": status}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}} | more]}


def waited(server: Server, then: Any = None, **chosen: Any) -> tuple[str, list[str]]:
    said: list[str] = []
    return wait_for_media(server, Settings(**chosen), said.append, clock=Clock(then)), said


def not_coming(server: Server) -> Unavailable:
    with pytest.raises(Unavailable) as refusal:
        waited(server)
    assert "kubectl" in refusal.value.hint or "--" in refusal.value.hint
    return refusal.value


@pytest.mark.parametrize(
    ("host", "chosen", "url"),
    [
        ("10.0.0.5", {}, "http://10.0.0.5:8080"),
        ("fd00::5", {"media_port": 9090}, "http://[fd00::5]:9090"),
        ("10.0.0.5", {"media_address": "isos.example"}, "http://isos.example:8080"),
        ("10.0.0.5", {"expose": "loadbalancer", "found_address": "10.0.0.9"}, "http://10.0.0.9:8080"),
    ],
)
def test_where_it_is_once_it_is_ready(server: Server, api: Api, host: str, chosen: Any, url: str) -> None:
    deployment(api, is_ready=False)
    pod(api, hostIP=host)
    assert waited(server, lambda: deployment(api, is_ready=True), **chosen) == (url, [])


def test_a_pod_that_is_on_its_way_out_is_not_the_one(server: Server, api: Api) -> None:
    deployment(api, is_ready=True)
    pod(api, "old", deleted=True, hostIP="10.0.0.1")
    pod(api, "new", hostIP="10.0.0.2")
    assert waited(server)[0] == "http://10.0.0.2:8080"


def test_what_it_waits_for_is_told_once_and_without_repeating_itself(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    pod(api, **waiting("ErrImagePull", "not found"))

    def later() -> None:
        pod(api, **waiting("ImagePullBackOff", "Back-off pulling image"))

    with pytest.raises(Unavailable, match=r"ImagePullBackOff.*--image"):
        said: list[str] = []
        wait_for_media(server, Settings(), said.append, clock=Clock(later))
    assert said == ["the media service waits: ErrImagePull: not found"]


def test_a_missing_image_with_policy_never_is_told_at_once(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    pod(api, **waiting("ErrImageNeverPull", "Container image is not present with pull policy of Never"))
    clock = Clock()
    with pytest.raises(Unavailable, match="ErrImageNeverPull"):
        wait_for_media(server, Settings(), lambda _: None, clock=clock)
    assert clock.time < READY_WITHIN_S


def test_a_port_that_is_taken(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    told = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    pod(api, conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}])
    error = not_coming(server)
    assert told in error.what and "--media-port" in error.hint


def test_a_claim_that_stays_pending_with_the_reason_of_its_own(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    told = "pod has unbound immediate PersistentVolumeClaims"
    pod(api, conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}])
    assert told in not_coming(server).what
    event = {"metadata": {"name": "e"}, "reason": "ProvisioningFailed", "message": 'storageclass "x" not found'}
    api.objects[f"{EVENTS}/e"] = event
    error = not_coming(server)
    assert "ProvisioningFailed: storageclass" in error.what


def test_a_program_that_ends_is_told_with_its_last_words(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    last = {"lastState": {"terminated": {"message": "starting\nmedia service: cannot listen on 0.0.0.0:8080\n"}}}
    pod(api, **waiting("CrashLoopBackOff", "back-off 10s restarting failed container", **last))
    assert not_coming(server).what.endswith("CrashLoopBackOff: media service: cannot listen on 0.0.0.0:8080")


def test_a_volume_that_cannot_be_mounted(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    pod(api, **waiting("ContainerCreating"))
    event = {"metadata": {"name": "e"}, "reason": "FailedMount", "message": 'secret "herasphere-media" not found'}
    api.objects[f"{EVENTS}/e"] = event
    assert 'FailedMount: secret "herasphere-media" not found' in not_coming(server).what


def test_what_is_noted_and_keeps_nothing_from_running_is_not_told(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    pod(api, **waiting("ContainerCreating"))
    event = {"metadata": {"name": "e"}, "reason": "MissingClusterDNS", "message": "falling back"}
    api.objects[f"{EVENTS}/e"] = event
    assert "nothing says why" in not_coming(server).what


def test_pods_that_a_security_standard_forbids(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    told = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": hostPort (container "media" uses hostPort)'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": told}
    api.objects[KINDS["Deployment"].path("herasphere", "herasphere-media")]["status"]["conditions"] = [failure]
    error = not_coming(server)
    assert told in error.what and "--expose loadbalancer" in error.hint


def test_without_any_word_the_way_to_look_is_told(server: Server, api: Api) -> None:
    deployment(api, is_ready=False)
    error = not_coming(server)
    assert "nothing says why" in error.what and "kubectl -n herasphere describe pod" in error.hint


def test_the_media_service_is_known_from_outside(tmp_path: Path) -> None:
    with service(tmp_path) as at:
        assert unreached(at.public_url) == ""
    assert unreached(at.public_url) == "Connection refused"


@contextmanager
def stranger() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "nginx", ""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_another_program_at_its_place_is_known_too() -> None:
    with stranger() as url:
        assert unreached(url) == "something else answers there (200 nginx)"


BALANCED = Settings(expose="loadbalancer")


def given(api: Api, *ingress: dict[str, str]) -> None:
    api.put(PUBLIC, status={"loadBalancer": {"ingress": list(ingress)}})


def test_a_load_balancer_that_is_asked_for_its_address(server: Server, api: Api) -> None:
    assert balancer.with_address(server, BALANCED).address == ""
    given(api, {"ip": "10.0.0.9"}, {"ip": "10.0.0.10"})
    assert balancer.with_address(server, BALANCED).address == "10.0.0.10", "the order of the answer does not matter"
    given(api, {"hostname": "lb.example"})
    assert balancer.with_address(server, BALANCED).address == "lb.example"
    given(api, {"ip": "fd00::9"})
    assert balancer.with_address(server, BALANCED).address == "[fd00::9]"


def test_a_load_balancer_is_made_first_and_its_address_waited_for(server: Server, api: Api) -> None:
    clock = Clock(lambda: given(api, {"ip": "10.0.0.9"}))
    found = balancer.with_new_address(server, BALANCED, take_over=False, clock=clock)
    assert (found.address, found.media_address) == ("10.0.0.9", "")
    patched = [path for method, path, _, _ in api.asked if method == "PATCH"]
    assert patched == ["/api/v1/namespaces/herasphere", PUBLIC]


def test_a_cluster_without_load_balancers(server: Server) -> None:
    with pytest.raises(TimedOut, match=r"no address.*--expose hostport"):
        balancer.with_new_address(server, BALANCED, take_over=False, clock=Clock())


def test_where_the_address_is_said_no_balancer_is_asked(server: Server, api: Api) -> None:
    for settings in (Settings(), Settings(expose="loadbalancer", media_address="10.0.0.9")):
        assert balancer.with_new_address(server, balancer.with_address(server, settings), take_over=False) == settings
    assert api.asked == []
