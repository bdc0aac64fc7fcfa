"""One cluster for all the tests that run at the same time on this machine."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from tests.lab.cached import locked
from tests.lab.kube.cluster import Cluster, why_not_here
from tests.lab.kube.layout import DEFAULT_FOLDER


class ClusterInUse(Exception):
    """A cluster is up that is not for tests to take down."""


@cache
def why_not() -> str:
    """The reason why no cluster can run here, "" when it can."""
    return why_not_here()


@contextmanager
def shared_cluster(folder: Path = DEFAULT_FOLDER) -> Iterator[Cluster]:
    """A cluster that is up, and stays so for who needs it next, until `take_down_unused`.

    Held by a module of tests, never by a session: somebody may wait for it to be used by nobody.
    """
    cluster = Cluster(folder)
    layout = cluster.layout
    with layout.users.open("w") as users:
        with locked(layout.lock):
            was_up = cluster.is_up
            cluster.up()
            if not was_up:
                layout.by_tests.touch()
            fcntl.flock(users, fcntl.LOCK_SH)
        yield cluster


def take_down_unused(folder: Path = DEFAULT_FOLDER) -> None:
    """The cluster is down if it was tests that brought it up, and nobody uses it now."""
    cluster = Cluster(folder)
    layout = cluster.layout
    if layout.by_tests.exists():
        with layout.users.open("w") as users, locked(layout.lock):
            if layout.by_tests.exists() and _is_last(users):
                cluster.down()


@contextmanager
def only_cluster(folder: Path = DEFAULT_FOLDER) -> Iterator[Cluster]:
    """Nobody else uses the cluster, nor brings it up or down; it is down before and after.

    Raise ClusterInUse where one is up that tests did not bring up.
    """
    cluster = Cluster(folder)
    while True:
        with cluster.layout.users.open("w") as users, locked(cluster.layout.lock):
            if cluster.processes() and not cluster.layout.by_tests.exists():
                raise ClusterInUse(f"a cluster is up in {folder}, and tests don't take that down")
            if _is_last(users):
                cluster.down()
                try:
                    yield cluster
                finally:
                    cluster.down()
                return
        time.sleep(2)


def _is_last(users: IO[str]) -> bool:
    """Whether nobody else holds the lock."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
