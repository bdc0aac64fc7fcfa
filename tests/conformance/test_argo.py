"""The conformance cases on the simulated site's Kubernetes, with Argo itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.clients.kube import connect
from tests.conformance.case import Case, Manifest, differences, unlike
from tests.conformance.cases import CASES
from tests.conformance.on_argo import Conforming, namespace
from tests.conformance.on_local import run_here
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import shared_cluster, why_not
from tests.lab.runner_image import runner_image

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with shared_cluster() as shared:
        yield shared


@pytest.fixture(scope="module")
def ended(cluster: Cluster) -> Iterator[dict[str, Manifest]]:
    """What became of all workflows, by their names."""
    built = runner_image()
    image = cluster.load_image(built.archive, built.name)
    kube = connect(kubeconfig=str(cluster.kubeconfig))
    with kube.api, namespace(kube, CASES, image=image) as backend:
        yield Conforming(backend, CASES, image=image).run()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, ended: dict[str, Manifest]) -> None:
    assert differences(case, ended[case.name]) == []
    if case.child:
        assert differences(case.child, ended[case.child_name]) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_node_is_as_on_the_local_engine(case: Case, ended: dict[str, Manifest], tmp_path: Path) -> None:
    run = run_here(case, tmp_path)
    for workflow in (run.root, *run.children):
        assert unlike(ended[workflow["metadata"]["name"]], workflow) == []
