"""What was asked of an emulated BMC, for tests to read."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Entry:
    """One request; `status` is 0 until it is answered, and stays so when the connection was dropped."""

    method: str
    path: str
    peer: str
    at: float  # time.time()
    body: bytes
    status: int = 0


@dataclass
class RequestLog:
    """All requests in the order of their coming, and how many were ever worked on at once."""

    entries: list[Entry] = field(default_factory=list)
    max_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def writing(self, method: str, path: str, peer: str, body: bytes) -> Iterator[Entry]:
        entry = Entry(method, path, peer, time.time(), body)
        with self._lock:
            self.entries.append(entry)
            self._now += 1
            self.max_at_once = max(self.max_at_once, self._now)
        try:
            yield entry
        finally:
            with self._lock:
                self._now -= 1

    def of(self, method: str, path: str = "") -> list[Entry]:
        """The requests with this method and this part in their path."""
        with self._lock:
            return [entry for entry in self.entries if entry.method == method and path in entry.path]
