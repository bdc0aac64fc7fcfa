"""A small Kubernetes API on loopback: stores Workflows, templates, CronWorkflows and Secrets, streams watches and logs.

What it leaves out: rights, validation, controllers (a test sets phases itself), all other kinds. Selectors know
`key=value` and `key`; JSON patches know test, add, replace and remove. Its Service proxy leads to a real media service.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import yaml

Manifest = dict[str, Any]
NAMESPACE = "herasphere"
KINDS = {"workflows": "Workflow", "workflowtemplates": "WorkflowTemplate", "cronworkflows": "CronWorkflow"}


@dataclass
class Log:
    """What a pod's container has written; `ended` when it writes no more."""

    lines: list[str] = field(default_factory=list)
    ended: bool = False


class FakeCluster:
    """The objects, and what was asked: (method, path without query, query, body)."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.logs: dict[str, Log] = {}
        self.history: list[tuple[int, str, Manifest]] = []
        self.forgotten = 0  # a watch from an older version has expired
        self.version = 100
        self.changed = threading.Condition()
        self.refuse: dict[tuple[str, str], int] = {}  # (method, plural): status
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.media_url = ""
        self.cut = 0  # counts up to end every stream
        self.url = ""

    def put(self, plural: str, manifest: Manifest, kind: str = "") -> Manifest:
        """Create or change an object, as a controller does."""
        with self.changed:
            name = manifest["metadata"]["name"]
            is_new = (plural, name) not in self.objects
            self.version += 1
            made = deepcopy(manifest)
            made.setdefault("kind", KINDS.get(plural, "Secret"))
            made["metadata"] = {"uid": f"uid-of-{name}", "creationTimestamp": "2026-11-23T05:00:00Z"} | made["metadata"]
            made["metadata"]["resourceVersion"] = str(self.version)
            self.objects[plural, name] = made
            self._tell(kind or ("ADDED" if is_new else "MODIFIED"), made)
            return made

    def get(self, plural: str, name: str) -> Manifest:
        return self.objects[plural, name]

    def delete(self, plural: str, name: str) -> None:
        with self.changed:
            self.version += 1
            gone = self.objects.pop((plural, name))
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._tell("DELETED", gone)

    def forget(self) -> None:
        """Cut all streams, and remember nothing of before: a watch has to begin anew."""
        with self.changed:
            self.forgotten = self.version = self.version + 1
            self.history.clear()
            self.cut += 1
            self.changed.notify_all()

    def cut_off(self) -> None:
        """Cut all streams."""
        with self.changed:
            self.cut += 1
            self.changed.notify_all()

    def write(self, pod: str, *lines: str, end: bool = False) -> None:
        """Have a pod write lines, each with its time stamp; `end`: and end."""
        with self.changed:
            log = self.logs.setdefault(pod, Log())
            log.lines += lines
            log.ended = log.ended or end
            self.changed.notify_all()

    def _tell(self, kind: str, manifest: Manifest) -> None:
        self.history.append((self.version, kind, deepcopy(manifest)))
        self.changed.notify_all()

    def events_after(self, version: int, seen: int, cut: int) -> list[tuple[int, str, Manifest]] | None:
        """What came after this version and number of events; None when the stream is to end."""
        with self.changed:
            self.changed.wait_for(lambda: self.cut != cut or len(self.history) > seen, timeout=30)
            return None if self.cut != cut else [each for each in self.history[seen:] if each[0] > version]


@contextmanager
def cluster(folder: Path) -> Iterator[FakeCluster]:
    """A cluster for as long as the context lasts; `folder` gets a kubeconfig for it."""
    made = FakeCluster()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(made))
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(made.url)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.cut_off()
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(url: str) -> Manifest:
    named = {"name": "lab"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [named | {"cluster": {"server": url}}],
        "users": [named | {"user": {"token": "a-users-token"}}],
        "contexts": [named | {"context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    }


def _handler_for(fake: FakeCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length) if length else b""
            if "/proxy/" in parts.path:
                self.proxy(parts.path.partition("/proxy")[2] + (f"?{parts.query}" if parts.query else ""), raw)
                return
            body = json.loads(raw) if raw else None
            fake.asked.append((self.command, parts.path, query, body))
            place = parts.path.partition(f"/namespaces/{NAMESPACE}/")[2].split("/")
            plural, name = place[0], place[1] if len(place) > 1 else ""
            if status := fake.refuse.get((self.command, plural)):
                self.send(status, {"kind": "Status", "message": f"refused by the test: {self.command} {plural}"})
            elif plural == "pods":
                self.log(name, query)
            elif query.get("watch"):
                self.watch(plural, query)
            else:
                self.send(*do(fake, self.command, plural, name, query, body))

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer  # noqa: N815

        def send(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def proxy(self, path: str, body: bytes) -> None:
            headers = {key: value for key, value in self.headers.items() if key not in ("Authorization", "Host")}
            if not fake.media_url:
                self.send(503, {"kind": "Status", "code": 503, "message": "no endpoints available for service"})
                return
            answer = requests.request(self.command, fake.media_url + path, data=body, headers=headers, timeout=30)
            self.send(answer.status_code, answer.json())

        def watch(self, plural: str, query: dict[str, str]) -> None:
            version, cut, seen = int(query["resourceVersion"]), fake.cut, 0
            if version < fake.forgotten:
                self.send(410, {"kind": "Status", "code": 410, "message": "too old resource version"})
                return
            self.begin_stream()
            while (events := fake.events_after(version, seen, cut)) is not None:
                seen = len(fake.history)
                for version_, kind, manifest in events:
                    version = max(version, version_)
                    if manifest["kind"] == KINDS[plural] and selected(manifest, query):
                        self.chunk(json.dumps({"type": kind, "object": manifest}) + "\n")
            self.chunk("")

        def log(self, pod: str, query: dict[str, str]) -> None:
            if pod not in fake.logs:
                self.send(404, {"kind": "Status", "message": f'pods "{pod}" not found'})
                return
            self.begin_stream()
            cut, sent, since = fake.cut, 0, query.get("sinceTime", "").rstrip("Z")
            while True:
                with fake.changed:
                    log = fake.logs.get(pod, Log(ended=True))
                    lines, sent = log.lines[sent:], len(log.lines)
                    if not lines and (log.ended or query.get("follow") != "true" or fake.cut != cut):
                        break
                    if not lines:
                        fake.changed.wait(timeout=30)
                for line in lines:
                    if line[:19] >= since:
                        self.chunk(line + "\n")
            self.chunk("")

        def begin_stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

        def chunk(self, text: str) -> None:
            data = text.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def do(fake: FakeCluster, method: str, plural: str, name: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
    if method == "GET" and not name:
        items = [each for (kind, _), each in fake.objects.items() if kind == plural and selected(each, query)]
        return 200, {"items": items, "metadata": {"resourceVersion": str(fake.version)}}
    if method == "POST":
        if (plural, body["metadata"]["name"]) in fake.objects:
            return 409, {"kind": "Status", "message": "already exists"}
        return 201, body if query.get("dryRun") else fake.put(plural, body)
    if (plural, name) not in fake.objects:
        return 404, {"kind": "Status", "message": f'{plural} "{name}" not found'}
    if method == "DELETE":
        fake.delete(plural, name)
        return 200, {"kind": "Status", "status": "Success"}
    if method == "PATCH":
        patched = deepcopy(fake.get(plural, name))
        if isinstance(body, list):
            if not all(_patch(patched, each) for each in body):
                return 422, {
                    "kind": "Status",
                    "message": "the server rejected our request due to an error in our request",
                }
        else:
            _merge(patched, body)
        return 200, fake.put(plural, patched)
    return 200, fake.get(plural, name)


def selected(manifest: Manifest, query: dict[str, str]) -> bool:
    labels = manifest["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, is_equal, value = term.partition("=")
        if key not in labels or (is_equal and labels[key] != value):
            return False
    name = query.get("fieldSelector", "").removeprefix("metadata.name=")
    return not name or name == manifest["metadata"]["name"]


def _merge(target: Manifest, patch: Manifest) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _patch(target: Any, change: Manifest) -> bool:
    *above, last = [each.replace("~1", "/").replace("~0", "~") for each in change["path"].lstrip("/").split("/")]
    try:
        for each in above:
            target = target[each]
        if change["op"] == "test":
            return bool(target[last] == change["value"])
        if change["op"] == "remove":
            del target[last]
        elif last == "-":
            target.append(change["value"])
        else:
            target[last] = change["value"]
    except (KeyError, AttributeError):
        return False
    return True
