"""A small Kubernetes API with what `hera deploy` asks of one: get, list by label, apply, merge, create, delete.

What it leaves out: field managers (a conflict is answered where a test says so), validation, controllers, rights but
for those which a test denies. An applied object replaces the one that was there, but for its status, and its version
changes only if its content does.
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
from workflows.deploy.kinds import KINDS

Manifest = dict[str, Any]
ARGO_KINDS = ("workflows", "workflowtemplates", "cronworkflows", "workflowtaskresults")
PLURALS = {kind.plural for kind in KINDS.values()} | {"pods", "events", "workflows"}
DEFAULT_CLASS = {"storageclass.kubernetes.io/is-default-class": "true"}
FIXED: dict[str, dict[str, Any]] = {
    "/apis/argoproj.io/v1alpha1": {"resources": [{"name": name} for name in ARGO_KINDS]},
    "/apis/storage.k8s.io/v1/storageclasses": {"items": [{"metadata": {"name": "fast", "annotations": DEFAULT_CLASS}}]},
    "/api/v1/nodes": {"items": []},
    "/apis/apps/v1/deployments": {"items": []},
}


class Api:
    """The objects by path.

    fixed:  answers to what is asked of the whole cluster
    denied: (verb, resource) this user may not do, as a review tells
    refuse: (method, path): status and message
    """

    def __init__(self) -> None:
        self.objects: dict[str, Manifest] = {}
        self.fixed = deepcopy(FIXED)
        self.denied: set[tuple[str, str]] = set()
        self.refuse: dict[tuple[str, str], tuple[int, str]] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.version = 0
        self.url = ""

    def put(self, path: str, **more: Any) -> Manifest:
        """Have an object there, as something else made it."""
        name = path.rpartition("/")[2]
        made = {"metadata": {"name": name, "labels": {}}} | more
        self.objects[path] = made
        return made

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        self.asked.append((method, path, query, body))
        if (method, path) in self.refuse:
            status, message = self.refuse[method, path]
            return status, {"kind": "Status", "message": message}
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            return 201, {"status": {"allowed": (asked["verb"], asked["resource"]) not in self.denied}}
        if path in self.fixed:
            return 200, self.fixed[path]
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            return (409, {"message": "already exists"}) if path in self.objects else self._put(path, body, query)
        if method == "PATCH" and (path in self.objects or query.get("force")):
            return self._put(path, body if query.get("force") else merged(self.objects[path], body), query)
        if method == "GET" and path.rpartition("/")[2] in PLURALS:
            return self._listed(path, query)
        if path not in self.objects:
            return 404, {"message": f"{path} not found"}
        return 200, self.objects.pop(path) if method == "DELETE" else self.objects[path]

    def _put(self, path: str, body: Manifest, query: dict[str, str]) -> tuple[int, Any]:
        before = self.objects.get(path)
        made = deepcopy(body)
        if before and "status" in before:
            made["status"] = before["status"]
        version = (before or {"metadata": {}})["metadata"].get("resourceVersion")
        made["metadata"]["resourceVersion"] = version
        if before != made and "dryRun" not in query:
            self.version += 1
            made["metadata"]["resourceVersion"] = str(self.version)
        if "dryRun" not in query:
            self.objects[path] = made
        return 200, made

    def _listed(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        below = [o for p, o in self.objects.items() if p.rpartition("/")[0] == path]
        wanted = dict(each.split("=", 1) for each in query.get("labelSelector", "").split(",") if "=" in each)
        wanted = {key: value for key, value in wanted.items() if not key.endswith("!")}
        found = [o for o in below if wanted.items() <= (o["metadata"].get("labels") or {}).items()]
        return 200, {"items": found or None if path.endswith("/workflows") else found}  # metadata alone: null for none


def merged(target: Manifest, change: Manifest) -> Manifest:
    """RFC 7396."""
    made = dict(target)
    for key, value in change.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key) or {}, value) if isinstance(value, dict) else value
    return made


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
    api.url = f"http://127.0.0.1:{server.server_port}"
    configuration = client.Configuration(host=api.url)
    configuration.retries = False
    try:
        with client.ApiClient(configuration) as api_client:
            yield Kube(api_client, "herasphere")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
