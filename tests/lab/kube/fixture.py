"""One cluster for all the tests that run at the same time on this machine."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from tests.lab.cached import locked
from tests.lab.kube.cluster import Cluster, why_not_here
from tests.lab.kube.layout import DEFAULT_FOLDER


@cache
def why_not() -> str:
    """The reason why no cluster can run here, "" when it can."""
    return why_not_here()


@contextmanager
def shared_cluster(folder: Path = DEFAULT_FOLDER) -> Iterator[Cluster]:
    """A cluster that is up. Who uses it last takes it down, unless it was up before the tests."""
    cluster = Cluster(folder)
    layout = cluster.layout
    with layout.users.open("w") as users:
        with locked(layout.lock):
            was_up = cluster.is_up
            cluster.up()
            if not was_up:
                layout.by_tests.touch()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield cluster
        finally:
            with locked(layout.lock):
                if layout.by_tests.exists() and _is_last(users):
                    cluster.down()


def _is_last(users: IO[str]) -> bool:
    """Whether nobody else holds the lock."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
