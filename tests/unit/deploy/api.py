"""A small Kubernetes API with what `hera deploy` asks of one: get, list by label, server-side apply, create, delete.

What it leaves out: field managers and their conflicts, validation, controllers. An applied object replaces the one that
was there, and its version changes only if its content does.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

from steps.clients.kube import Kube

LISTS: dict[str, Any] = {
    "/apis/argoproj.io/v1alpha1": {
        "resources": [
            {"name": name} for name in ("workflows", "workflowtemplates", "cronworkflows", "workflowtaskresults")
        ]
    },
    "/apis/storage.k8s.io/v1/storageclasses": {
        "items": [
            {"metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
        ]
    },
    "/api/v1/nodes": {"items": []},
    "/apis/apps/v1/deployments": {"items": []},
}


class Api:
    """The objects by path. `lists` answers what is asked of the whole cluster, `denied` may not be applied."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.lists = deepcopy(LISTS)
        self.denied: set[str] = set()
        self.version = 0

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path.endswith("/selfsubjectaccessreviews"):
            resource = body["spec"]["resourceAttributes"]["resource"]
            return 201, {"status": {"allowed": resource not in self.denied}}
        if path in self.lists:
            return 200, self.lists[path]
        if method == "PATCH" or method == "POST":
            return self._put(path if method == "PATCH" else f"{path}/{body['metadata']['name']}", body, query)
        if method == "DELETE":
            return (200, self.objects.pop(path)) if path in self.objects else (404, {})
        if path in self.objects:
            return 200, self.objects[path]
        return self._listed(path, query) if "labelSelector" in query else (404, {})

    def _put(self, path: str, body: dict[str, Any], query: dict[str, str]) -> tuple[int, Any]:
        before = deepcopy(self.objects.get(path))
        version = (before or {"metadata": {}})["metadata"].pop("resourceVersion", None)
        if before != body:
            self.version += 1
            version = str(self.version)
        made = deepcopy(body)
        made["metadata"]["resourceVersion"] = version
        if "dryRun" not in query:
            self.objects[path] = made
        return 200, made

    def _listed(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        wanted = dict(each.split("=", 1) for each in query["labelSelector"].split(","))
        below = [o for p, o in self.objects.items() if p.rpartition("/")[0] == path]
        return 200, {"items": [o for o in below if wanted.items() <= (o["metadata"].get("labels") or {}).items()]}


@contextmanager
def served(api: Api) -> Iterator[Kube]:
    """The API on loopback, and a client of it."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            status, told = api.answer(self.command, parts.path, query, body)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    configuration = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
    configuration.retries = False
    try:
        with client.ApiClient(configuration) as api_client:
            yield Kube(api_client, "herasphere")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
