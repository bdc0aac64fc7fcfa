"""One thread with an event loop for all in-process servers, alive while at least one of them is."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _SharedLoop:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def take(self) -> None:
        """Have the loop running until `give_back`."""
        with self._lock:
            self._users += 1
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="lab-servers", daemon=True)
                self._thread.start()

    def give_back(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users or self._loop is None or self._thread is None:
                return
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine run on the loop; not to be called on the loop's own thread."""
        loop = self._loop
        if loop is None:
            work.close()
            raise RuntimeError("the loop is not running: take() it first")
        return asyncio.run_coroutine_threadsafe(work, loop).result()


LOOP = _SharedLoop()
