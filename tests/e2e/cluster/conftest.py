"""One cluster for these tests, with this working tree deployed on it."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster.running import deploy
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import shared_cluster, why_not


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is up, with the runner image of this tree and everything that `hera deploy` brings."""
    if reason := why_not():
        pytest.skip(reason)
    with shared_cluster() as made:
        deploy(tmp_path_factory.mktemp("deploy"), made)
        yield made
