"""A small Argo server in front of the small cluster: its REST paths, its envelopes, its streams of server-sent events.

What it leaves out stands in cluster.py; besides, it checks the token alone, and its streams begin with all there is.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.argo.cluster import NAMESPACE, FakeCluster, Log, do, selected

TOKEN = "argo-token"
PLURALS = {
    "workflows": "workflows",
    "workflow-events": "workflows",
    "workflow-templates": "workflowtemplates",
    "cron-workflows": "cronworkflows",
}
ENVELOPES = {"workflows": "workflow", "cron-workflows": "cronWorkflow"}


@contextmanager
def argo_server(fake: FakeCluster) -> Iterator[str]:
    """Its URL, for as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(fake))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        fake.cut_off()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler_for(fake: FakeCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            fake.asked.append((self.command, parts.path, query, body))
            kind, namespace, *rest = parts.path.removeprefix("/api/v1/").split("/")
            plain = {key.removeprefix("listOptions."): value for key, value in query.items()}
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.send(401, {"code": 16, "message": "token not valid"})
            elif namespace != NAMESPACE:
                self.send(403, {"code": 7, "message": "forbidden"})
            elif kind == "workflow-events":
                self.events(plain)
            elif rest[1:] == ["log"]:
                self.log(query)
            else:
                self.send(*self.done(kind, rest, plain, body))

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def done(self, kind: str, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
            name, verb = [*rest, "", ""][:2]
            method, plural = self.command, PLURALS[kind]
            if method == "POST":
                dry = {"dryRun": "All"} if body.get("serverDryRun") or name == "lint" else {}
                return do(fake, "POST", plural, "", dry, body[ENVELOPES[kind]])
            if method == "PUT":
                return do(fake, "PATCH", plural, name, {}, self.change(kind, name, verb))
            status, made = do(fake, method, plural, name, query, body)
            return status, {"code": 5, "message": made["message"]} if status >= 400 else made

        def change(self, kind: str, name: str, verb: str) -> Any:
            if kind == "cron-workflows":
                return {"spec": {"suspend": verb == "suspend"}}
            if verb == "stop":
                return {"spec": {"shutdown": "Stop"}}
            nodes = fake.get("workflows", name)["status"]["nodes"]
            waiting = [key for key, node in nodes.items() if node["type"] == "Suspend" and node["phase"] == "Running"]
            return {"status": {"nodes": {key: {"phase": "Succeeded"} for key in waiting}}}

        def events(self, query: dict[str, str]) -> None:
            self.begin_stream()
            version, cut, seen = int(query.get("resourceVersion", "0")), fake.cut, 0
            while (events := fake.events_after(version, seen, cut)) is not None:
                seen = len(fake.history)
                for at, kind, manifest in events:
                    version = max(version, at)
                    if manifest["kind"] == "Workflow" and selected(manifest, query):
                        self.event({"result": {"type": kind, "object": manifest}})
            self.event({"error": {"grpc_code": 8, "http_code": 429, "message": "EOF"}})
            self.chunk("")

        def log(self, query: dict[str, str]) -> None:
            self.begin_stream()
            cut, sent, pod = fake.cut, 0, query["podName"]
            while True:
                with fake.changed:
                    log = fake.logs.get(pod, Log(ended=True))
                    lines, sent = log.lines[sent:], len(log.lines)
                    if not lines and (log.ended or query.get("logOptions.follow") != "true" or fake.cut != cut):
                        break
                    if not lines:
                        fake.changed.wait(timeout=30)
                for line in lines:
                    self.event({"result": {"content": line, "podName": pod}})
            self.chunk("")

        def send(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def begin_stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

        def event(self, told: Any) -> None:
            self.chunk(f"data: {json.dumps(told)}\n\n")

        def chunk(self, text: str) -> None:
            data = text.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
