"""What keeps a lease alive while disks travel: a word of progress from time to time, and the news that it ended."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyVmomi import vim, vmodl

from steps.clients.vsphere.faults import error_of, translated
from steps.clients.vsphere.properties import read, wait_for
from steps.domain.errors import HerasphereError, TimedOut, Unavailable

READY_WITHIN_S = 300.0
LEAST_EVERY_S, MOST_EVERY_S = 0.3, 30.0


class Heartbeat:
    """Of one lease. percent: what is told next; lost: why the lease is over, if it is"""

    def __init__(self, lease: Any, where: str) -> None:
        self._lease = lease
        self.where = where
        self.percent = 0
        self.lost: HerasphereError | None = None

    def check(self) -> None:
        """Tell of the progress, which keeps the lease; TimedOut or whatever else it ended of."""
        if self.lost is not None:
            raise self.lost
        try:
            self._lease.HttpNfcLeaseProgress(percent=max(0, min(100, self.percent)))
        except (vim.fault.Timedout, vmodl.fault.ManagedObjectNotFound) as fault:
            hint = "start the build again; is something slow between here and vCenter?"
            self.lost = TimedOut("vCenter has ended the lease", where=self.where, hint=hint)
            raise self.lost from fault
        except vmodl.MethodFault as fault:
            self.lost = error_of(fault, self.where)
            raise self.lost from fault


def wait_until_ready(vsphere: Any, lease: Any, where: str) -> None:
    """Return when the lease's disks can travel; the error that it ended of if they cannot."""
    values = wait_for(
        vsphere,
        lease,
        ("state", "error"),
        lambda values: values if values["state"] in ("ready", "error") else None,
        timeout_s=READY_WITHIN_S,
        what="the lease's begin",
        where=where,
        hint="look at vCenter's tasks",
    )
    if values["state"] == "error":
        with translated(where):
            raise values["error"]


@contextmanager
def beating(vsphere: Any, lease: Any, where: str) -> Iterator[Heartbeat]:
    """Tells of the progress while the context lasts, whatever the streams do."""
    timeout = read(vsphere, lease, "info.leaseTimeout")["info.leaseTimeout"] or 0
    every_s = max(LEAST_EVERY_S, min(MOST_EVERY_S, float(timeout) / 3))
    heart = Heartbeat(lease, where)
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(heart.check, over, every_s), name="lease", daemon=True)
    teller.start()
    try:
        yield heart
    finally:
        over.set()
        teller.join()


def _tell(check: Callable[[], None], over: threading.Event, every_s: float) -> None:
    while not over.wait(every_s):
        try:
            check()
        except Unavailable:
            continue  # the connection, not the lease
        except HerasphereError:
            return
