"""The engine's client speaks to a real Kubernetes API shape, and translates every way in which it may say no."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes import client

from steps.clients.engine import KubernetesEngine, LocalEngine, connect
from steps.clients.kube import Kube
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable, Unsupported

PLACE = "/apis/argoproj.io/v1alpha1/namespaces/ns/workflows"


class Api:
    """A small Kubernetes API: answers each request with `status` and `body`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body: dict[str, Any] = {}
        self.asked: list[tuple[str, str, str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                given = json.loads(self.rfile.read(length)) if length else None
                api.asked.append((self.command, self.path, self.headers.get("Content-Type", ""), given))
                text = json.dumps(api.body).encode()
                self.send_response(api.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        configuration = client.Configuration(host=f"http://127.0.0.1:{self.server.server_port}")
        configuration.retries = False
        self.client = client.ApiClient(configuration)
        self.engine = KubernetesEngine(Kube(self.client, "ns"))


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.client.close()
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_create_list_and_stop(api: Api) -> None:
    manifest = {"kind": "Workflow", "metadata": {"name": "r-h1"}}
    api.engine.create(manifest)
    api.engine.stop("r-h1")
    api.body = {"items": [manifest]}
    assert api.engine.list("r") == [manifest]

    created, stopped, listed = api.asked
    assert (created[0], created[1].partition("?")[0], created[3]) == ("POST", PLACE, manifest)
    assert (stopped[0], stopped[1].partition("?")[0]) == ("PATCH", f"{PLACE}/r-h1")
    assert stopped[2:] == ("application/merge-patch+json", {"spec": {"shutdown": "Stop"}})
    assert parse_qs(urlsplit(listed[1]).query) == {"labelSelector": ["herasphere/run=r,herasphere/host"]}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (409, Conflict),
        (403, AccessDenied),
        (401, AccessDenied),
        (404, NotFound),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (422, Unsupported),
    ],
)
def test_what_the_api_refuses(api: Api, status: int, error: type[HerasphereError]) -> None:
    api.status = status
    with pytest.raises(error) as refusal:
        api.engine.create({"metadata": {"name": "r-h1"}})
    assert refusal.value.hint
    assert "r-h1" in str(refusal.value)


def test_an_api_that_is_not_there_passes_by_itself(api: Api) -> None:
    configuration = client.Configuration(host="http://127.0.0.1:1")
    configuration.retries = False
    with client.ApiClient(configuration) as away, pytest.raises(Unavailable):
        KubernetesEngine(Kube(away, "ns")).list("r")


def test_a_local_engine_that_is_gone_passes_by_itself(tmp_path: Path) -> None:
    engine = connect(str(tmp_path / "engine.sock"))
    assert isinstance(engine, LocalEngine)
    with pytest.raises(Unavailable, match="does not answer"):
        engine.list("r")


def test_outside_a_pod_there_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NotFound, match="no pod with a service account"):
        connect(None)
