"""What Argo adds to a stage over the local engine: a chain of trivial stages, each a pod of the runner image."""

import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from hera.workflows import Steps, Workflow

from steps.clients.kube import connect
from steps.domain.wait import wait_until
from tests.bench.page import Part, Row
from tests.conformance.case import Case, Manifest, nodes_of, step
from tests.conformance.example_steps import greet
from tests.conformance.on_argo import for_pods, namespace
from tests.conformance.on_local import run_here
from tests.lab.kube.argo import CONTROLLER_NAME
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import shared_cluster
from tests.lab.kube.layout import ARGO_NAMESPACE
from tests.lab.runner_image import runner_image
from workflows.backends.argo.api import KubernetesBackend
from workflows.backends.argo.changes import FINISHED

STAGES = 10
PACES = ("10s", "1s", "100ms")  # Argo's own default first


def measure() -> Part:
    """Seconds a stage of a chain, at each pace of the controller, beside the local engine."""
    with tempfile.TemporaryDirectory() as name, shared_cluster() as cluster:
        local_s = _local(Path(name))
        built = runner_image()
        image = cluster.load_image(built.archive, built.name)
        kube = connect(kubeconfig=str(cluster.kubeconfig))
        rows = []
        with kube.api, namespace(kube, [], image=image) as backend:
            for pace in PACES:
                _set_pace(cluster, pace)
                workflow = _run(backend, _chain(f"chain-{pace}"), image)
                rows.append(_row(pace, workflow, local_s))
        _set_pace(cluster, "1s")
    return Part("What Argo adds to a stage", rows, REMARKS)


def _chain(name: str) -> Case:
    def build(name: str) -> Workflow:
        with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
            for number in range(STAGES):
                step(greet, f"stage-{number}", name="x")
        return workflow

    return Case(name=name, build=build, phase="Succeeded")


def _local(folder: Path) -> float:
    began = time.perf_counter()
    run_here(_chain("chain"), folder)
    return (time.perf_counter() - began) / STAGES


def _set_pace(cluster: Cluster, pace: str) -> None:
    cluster.kubectl("-n", ARGO_NAMESPACE, "set", "env", f"deployment/{CONTROLLER_NAME}", f"DEFAULT_REQUEUE_TIME={pace}")
    cluster.wait_controller()


def _run(backend: KubernetesBackend, case: Case, image: str) -> Manifest:
    backend.create(for_pods(case.manifest(), image))

    def ended() -> Manifest | None:
        found = backend.get(case.name)
        return found if found.get("status", {}).get("phase") in FINISHED else None

    workflow = wait_until(ended, what="its end", where=case.name, hint="see its pods", timeout_s=600)
    assert workflow["status"]["phase"] == "Succeeded", workflow["status"]
    return workflow


def _row(pace: str, workflow: Manifest, local_s: float) -> Row:
    pods = sorted((node for node in nodes_of(workflow) if node["type"] == "Pod"), key=lambda node: node["startedAt"])
    assert len(pods) == STAGES
    status = workflow["status"]
    stage_s = _between(status["startedAt"], status["finishedAt"]) / STAGES
    pod_s = statistics.median(_between(node["startedAt"], node["finishedAt"]) for node in pods)
    return Row(
        f"a stage of a chain of {STAGES}, `DEFAULT_REQUEUE_TIME={pace}`",
        f"{stage_s:.1f} s a stage ({pod_s:.0f} s of it from the pod's creation to its end)",
        f"{local_s:.2f} s in the local engine",
        f"Argo adds {stage_s - local_s:.1f} s",
    )


def _between(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


REMARKS = (
    "What remains at any pace is the node's own: the kubelet looks at containers once a second, and a stage needs four"
    " of its looks (Argo's init container has ended, the step has begun, the step has ended, Argo's wait container has"
    " ended). The wait container looks for the step's end once a second too. The step's own process takes half a second"
    " of it all."
)
