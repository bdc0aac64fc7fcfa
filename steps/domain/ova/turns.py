"""Who may write to the archive: one disk after the other, in their order, from however many threads they come."""

import threading
from collections.abc import Iterable

from steps.domain.errors import VerifyFailed


class Turns:
    """The turns of named things. A failure of one ends the waiting of all."""

    def __init__(self, order: Iterable[str]) -> None:
        self._order = list(order)
        self._done: set[str] = set()
        self._failed = False
        self._changed = threading.Condition()

    def has_come(self, name: str) -> bool:
        """Whether all before it are done; raises what `wait` raises."""
        with self._changed:
            self._check(name)
            return self._is_next(name)

    def wait(self, name: str) -> None:
        """Until all before it are done. VerifyFailed if one of them failed, or if it had its turn already."""
        with self._changed:
            self._changed.wait_for(lambda: self._failed or self._is_next(name))
            self._check(name)

    def done(self, name: str) -> None:
        with self._changed:
            self._done.add(name)
            self._changed.notify_all()

    def abandon(self) -> None:
        with self._changed:
            self._failed = True
            self._changed.notify_all()

    @property
    def all_done(self) -> bool:
        return not self._failed and self._done == set(self._order)

    def _is_next(self, name: str) -> bool:
        return self._done.issuperset(self._order[: self._order.index(name)])

    def _check(self, name: str) -> None:
        if self._failed or name in self._done:
            what = "another disk could not be written" if self._failed else "this disk is written already"
            raise VerifyFailed(what, where=name, hint="begin the archive again")
