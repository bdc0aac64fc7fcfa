"""A watch that never ends by itself: it is taken up again where it was, or begun anew from a list."""

import threading
import time
from collections.abc import Callable

from steps.domain.errors import HerasphereError, Unavailable
from workflows.backends.argo.backend import Expired, Manifest, Which, Workflows

AGAIN_AFTER_S = 1.0
GIVE_UP_AFTER_S = 600.0


class Watching:
    """One watch. Its four calls come from the thread that runs it.

    changed: a Workflow as it is now; deleted: the name of one that is no more
    lost: the connection was lost, and is tried again; failed: it was given up
    """

    def __init__(
        self,
        workflows: Workflows,
        which: Which,
        *,
        changed: Callable[[Manifest], None],
        deleted: Callable[[str], None],
        lost: Callable[[HerasphereError], None],
        failed: Callable[[HerasphereError], None],
    ) -> None:
        self.workflows = workflows
        self.which = which
        self.changed = changed
        self.deleted = deleted
        self.lost = lost
        self.failed = failed
        self.known: set[str] = set()
        self.version = ""

    def run(self, stop: threading.Event) -> None:
        """Until told to stop, or until there has been no answer for GIVE_UP_AFTER_S."""
        answered = time.monotonic()
        while not stop.is_set():
            try:
                if not self.version:
                    self._list()
                for change in self.workflows.watch(self.which, self.version):
                    answered = time.monotonic()
                    self.version = change.version or self.version
                    if change.workflow is not None:
                        self._take(change.workflow, gone=change.gone)
                    if stop.is_set():
                        return
            except Expired:
                self.version = ""
            except Unavailable as error:
                if time.monotonic() - answered > GIVE_UP_AFTER_S:
                    self.failed(error)
                    return
                self.lost(error)
            except HerasphereError as error:
                self.failed(error)
                return
            stop.wait(AGAIN_AFTER_S)

    def _list(self) -> None:
        listing = self.workflows.listing(self.which)
        self.version = listing.version
        names = {workflow["metadata"]["name"] for workflow in listing.items}
        for name in self.known - names:
            self.deleted(name)
        self.known &= names
        for workflow in listing.items:
            self._take(workflow)

    def _take(self, workflow: Manifest, *, gone: bool = False) -> None:
        name = workflow["metadata"]["name"]
        if gone:
            self.known.discard(name)
            self.deleted(name)
        else:
            self.known.add(name)
            self.changed(workflow)
