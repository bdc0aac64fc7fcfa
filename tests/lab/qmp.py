"""QEMU's control channel: commands with their answers, and events as they come."""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Queue
from typing import Any

ANSWER_S = 30.0


class QmpError(Exception):
    """QEMU refused a command, or is gone; the text is QEMU's own."""


class Qmp:
    """One connected control channel; commands one at a time, from any thread."""

    def __init__(self, channel: socket.socket, on_event: Callable[[str], None]) -> None:
        self._channel = channel
        self._on_event = on_event
        self._answers: Queue[dict[str, Any]] = Queue()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="qmp", daemon=True)
        self._reader.start()
        self.call("qmp_capabilities")

    def call(self, command: str, **arguments: Any) -> Any:
        """Run one command and return what QEMU returns."""
        message = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        with self._lock:
            try:
                self._channel.sendall(message.encode())
                answer = self._answers.get(timeout=ANSWER_S)
            except OSError as error:
                raise QmpError(f"{command}: QEMU is gone ({error})") from error
            except Empty as error:
                raise QmpError(f"{command}: no answer within {ANSWER_S:.0f} s") from error
        if "error" in answer:
            raise QmpError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def close(self) -> None:
        """Let go of the channel; the reader ends."""
        with suppress(OSError):  # QEMU closed it first
            self._channel.shutdown(socket.SHUT_RDWR)
        self._reader.join(timeout=5)
        self._channel.close()

    def _read(self) -> None:
        gone = {"error": {"desc": "QEMU is gone"}}
        try:
            with self._channel.makefile("rb") as lines:
                for line in lines:
                    message = json.loads(line)
                    if "event" in message:
                        self._on_event(message["event"])
                    elif "return" in message or "error" in message:
                        self._answers.put(message)
        except OSError:
            pass
        self._answers.put(gone)
