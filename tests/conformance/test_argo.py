"""The conformance cases on the simulated site's Kubernetes, with Argo itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.clients.kube import connect
from tests.conformance.case import Case, Manifest, differences, unlike
from tests.conformance.cases import CASES
from tests.conformance.on_argo import Conforming, namespace
from tests.conformance.on_local import run_here

KUBECONFIG = Path(os.environ.get("HERASPHERE_E2E_KUBECONFIG", "/tmp/herasphere-cluster/kubeconfig"))

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not KUBECONFIG.exists(), reason=f"no cluster: there is no {KUBECONFIG} (make lab-cluster)"),
]


@pytest.fixture(scope="module")
def ended() -> Iterator[dict[str, Manifest]]:
    """What became of all workflows, by their names."""
    kube = connect(kubeconfig=str(KUBECONFIG))
    with kube.api, namespace(kube, CASES) as backend:
        yield Conforming(backend, CASES).run()


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
