"""A small media server for the lab's own tests: one spliced ISO over HTTP ranges, and a list of who called back."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from steps.domain.splice import SplicedImage


class MediumServer:
    """Serves the ISO at `url` while it is entered."""

    def __init__(self, host: str, source: Path, view: SplicedImage) -> None:
        self.bytes_read = 0
        self.calls: list[str] = []  # events in the order they came
        self._source = source
        self._view = view
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        base = f"http://{host}:{self._server.server_port}"
        self.url = f"{base}/host.iso"
        self.callback_url = f"{base}/cb"

    def serve(self, view: SplicedImage) -> None:
        """From now on, this view."""
        self._view = view

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def read(self, start: int, stop: int) -> bytes:
        """These bytes of the view."""
        pieces = []
        with self._source.open("rb") as file:
            for segment in self._view.segments(start, stop):
                if isinstance(segment, bytes):
                    pieces.append(segment)
                else:
                    file.seek(segment[1])
                    pieces.append(file.read(segment[2]))
        self.bytes_read += stop - start
        return b"".join(pieces)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        medium = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._head(200, medium._view.size_bytes)

            def do_GET(self) -> None:
                if self.path.startswith("/cb/"):
                    medium.calls.append(self.path.removeprefix("/cb/").partition("?")[0])
                    self._head(200, 0)
                    return
                first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
                size = medium._view.size_bytes
                start, stop = int(first), min(int(last) + 1, size) if last else size
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
                self.send_header("Content-Length", str(stop - start))
                self.end_headers()
                self.wfile.write(medium.read(start, stop))

            def _head(self, status: int, length: int) -> None:
                self.send_response(status)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
