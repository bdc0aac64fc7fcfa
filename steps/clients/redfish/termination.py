"""SIGTERM at the wrong moment would leave a session at the BMC, which has few: it waits until a login can be closed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from steps.domain.wait import Clock

_HELD = {signal.SIGTERM}


@contextmanager
def termination_held() -> Iterator[None]:
    """SIGTERM comes at the end of the block, or at the next pause of a `LettingIn` clock inside it."""
    if threading.current_thread() is not threading.main_thread():  # signals are taken by the main thread
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class LettingIn:
    """A clock whose pauses let a held SIGTERM in: no request is under way then, and nothing is half undone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        try:
            self._clock.sleep(seconds)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
