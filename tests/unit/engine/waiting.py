"""Waiting for what another process does, with an end."""

import os
import time
from collections.abc import Callable

AT_MOST_S = 60.0


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + AT_MOST_S
    while not holds():
        assert time.monotonic() < end, f"not within {AT_MOST_S:g} s: {what}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
