"""One cluster for these tests, with this working tree deployed on it."""

from collections.abc import Iterator

import pytest

from tests.e2e.hera import hera
from tests.lab.cached import locked
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import shared_cluster, why_not
from tests.lab.runner_image import runner_image


@pytest.fixture(scope="session", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is up, with the runner image of this tree and everything that `hera deploy` brings."""
    if reason := why_not():
        pytest.skip(reason)
    with shared_cluster() as made:
        image = runner_image()
        with locked(made.layout.folder / "deploying"):
            reference = made.load_image(image.archive, image.name)
            said = hera(
                tmp_path_factory.mktemp("deploy"),
                *("deploy", "--image", reference, "--storage-size", "5Gi"),
                timeout_s=300,
                KUBECONFIG=str(made.kubeconfig),
            )
        assert said.code == 0, said.out + said.err
        yield made
