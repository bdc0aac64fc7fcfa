"""An HTTP server with files, which counts who asks for them and breaks off on request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Mirror:
    """What it has and what it was asked.

    content: of each file, by its name
    cuts:    after how many bytes each of the next answers breaks off
    asked:   the requests so far: "lab.iso", "lab.iso from 100"
    on_half: called in the middle of each answer
    """

    url: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    on_half: Callable[[], None] = lambda: None


@contextmanager
def mirror() -> Iterator[Mirror]:
    """One on loopback, empty at first."""
    made = Mirror()
    handler = type("Answering", (_Handler,), {"mirror": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.mirror.asked.append(f"{name} from {start}" if start else name)
        content = self.mirror.content.get(name)
        if content is None:
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", '"same"')
        self.end_headers()
        end = start + self.mirror.cuts.pop(0) if self.mirror.cuts else len(content)
        half = (start + end) // 2
        self.wfile.write(content[start:half])
        self.mirror.on_half()
        self.wfile.write(content[half:end])

    def log_message(self, format: str, *args: Any) -> None:
        pass
