"""Wait for evidence, with the clock as a parameter so that tests take no time."""

import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

from steps.domain.errors import TimedOut

Found = TypeVar("Found")


class Clock(Protocol):
    """A monotonic clock in seconds which can also be slept on."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


def wait_until(
    probe: Callable[[], Found | Literal[False] | None],
    *,
    what: str,
    where: str,
    hint: str,
    timeout_s: float,
    every_s: float = 2.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Found:
    """Return what `probe` gives first that is neither None nor False; raise TimedOut, naming `what`, after `timeout_s`.

    The probe runs at least once, and once more at the very end of the time.
    """
    end = clock.now() + timeout_s
    while True:
        found = probe()
        if found is not None and found is not False:
            return found
        left = end - clock.now()
        if left <= 0:
            raise TimedOut(f"{what} did not happen within {timeout_s:g} s", where=where, hint=hint)
        clock.sleep(min(every_s, left))
