"""The lab's cluster: what runs on it, who may ask it, and that Argo's controller comes back after a crash."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.here import network_for_tests
from tests.lab.kube.build import programs
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import shared_cluster, why_not
from tests.lab.kube.images import PAUSE, images
from tests.lab.kube.layout import NODE_ADDRESS
from tests.lab.network import LabNetwork

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

NAMESPACE = "lab-test"
RIGHTS = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
PORT = 18473


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """With a namespace in which workflows may run."""
    with shared_cluster() as shared:
        shared.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
        shared.kubectl("create", "namespace", NAMESPACE)
        role, subject = "rbac.authorization.k8s.io", {"kind": "ServiceAccount", "name": "default"}
        apply(shared, role + "/v1", "Role", "steps", rules=[RIGHTS])
        reference = {"apiGroup": role, "kind": "Role", "name": "steps"}
        apply(shared, role + "/v1", "RoleBinding", "steps", roleRef=reference, subjects=[subject])
        yield shared
        shared.kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture
def site_network() -> Iterator[LabNetwork]:
    """With one address on it."""
    network = network_for_tests("k", 9)
    network.up(1)
    yield network
    network.down()


def apply(cluster: Cluster, version: str, kind: str, name: str, **rest: Any) -> None:
    metadata = {"name": name, "namespace": NAMESPACE}
    given = json.dumps({"apiVersion": version, "kind": kind, "metadata": metadata, **rest})
    cluster.kubectl("apply", "-f", "-", given=given)


def wait(cluster: Cluster, what: str, condition: str) -> None:
    cluster.kubectl("-n", NAMESPACE, "wait", what, f"--for={condition}", "--timeout=150s")


def shell(script: str, image: str = PAUSE.reference) -> dict[str, Any]:
    return {"image": image, "imagePullPolicy": "IfNotPresent", "command": ["/bin/busybox", "sh", "-c", script]}


def workflow(cluster: Cluster, name: str, *scripts: str) -> None:
    """Steps one after the other, each with what the one before said."""
    steps = [
        [{"name": f"step-{number}", "inline": {"container": shell(script)}}] for number, script in enumerate(scripts)
    ]
    spec = {"entrypoint": "main", "templates": [{"name": "main", "steps": steps}]}
    apply(cluster, "argoproj.io/v1alpha1", "Workflow", name, spec=spec)


def pod(cluster: Cluster, name: str, container: dict[str, Any], **spec: Any) -> None:
    fixed = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    apply(cluster, "v1", "Pod", name, spec={"containers": [{"name": "main", **container}], **fixed, **spec})


def test_a_workflow_of_two_steps(cluster: Cluster) -> None:
    workflow(cluster, "two-steps", "echo one", "echo two")
    wait(cluster, "workflow/two-steps", "jsonpath={.status.phase}=Succeeded")


def test_a_workflow_outlives_the_controller(cluster: Cluster) -> None:
    workflow(cluster, "crash", "echo one", "echo two")
    cluster.kill_controller()
    cluster.wait_controller()
    wait(cluster, "workflow/crash", "jsonpath={.status.phase}=Succeeded")


def test_a_host_port_answers(cluster: Cluster) -> None:
    ports = [{"containerPort": 8000, "hostPort": PORT}]
    pod(cluster, "port", shell("exec busybox httpd -f -p 8000 -h /bin") | {"ports": ports})
    wait(cluster, "pod/port", "condition=Ready")
    with urllib.request.urlopen(f"http://{NODE_ADDRESS}:{PORT}/busybox", timeout=30) as answer:
        assert answer.read(4) == b"\x7fELF"


def test_a_simulated_site_and_pods_reach_each_other(cluster: Cluster, site_network: LabNetwork) -> None:
    address = site_network.bmc_address(0)
    serve = site_network.command(["busybox", "httpd", "-f", "-p", f"{address}:8000", "-h", "/bin"])
    with subprocess.Popen(serve) as server:
        pod(cluster, "asks-site", shell(f"busybox wget -q -O /dev/null http://{address}:8000/busybox"))
        wait(cluster, "pod/asks-site", "jsonpath={.status.phase}=Succeeded")
        server.terminate()
    ports = [{"containerPort": 8000, "hostPort": PORT + 1}]
    pod(cluster, "serves-site", shell("exec busybox httpd -f -p 8000 -h /bin") | {"ports": ports})
    wait(cluster, "pod/serves-site", "condition=Ready")
    url = f"http://{site_network.host_address}:{PORT + 1}/busybox"
    ask = site_network.command(["busybox", "wget", "-q", "-O", "/dev/null", url])
    assert subprocess.run(ask, timeout=60).returncode == 0


def test_any_user_writes_to_a_claimed_volume(cluster: Cluster) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    apply(cluster, "v1", "PersistentVolumeClaim", "claim", spec=claim)
    wait(cluster, "pvc/claim", "jsonpath={.status.phase}=Bound")
    mounted = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "claim"}}
    user = {"runAsUser": 10001, "runAsNonRoot": True}
    pod(cluster, "writer", shell("echo kept > /data/file") | mounted, volumes=[volume], securityContext=user)
    wait(cluster, "pod/writer", "jsonpath={.status.phase}=Succeeded")
    name = cluster.kubectl("-n", NAMESPACE, "get", "pvc", "claim", "-o", "jsonpath={.spec.volumeName}")
    assert (cluster.layout.volumes / name / "file").read_text() == "kept\n"


def test_an_image_by_its_digest(cluster: Cluster) -> None:
    reference = cluster.load_image(images(programs())[PAUSE.reference], PAUSE.reference)
    assert "@sha256:" in reference
    pod(cluster, "digest", shell("true", image=reference))
    wait(cluster, "pod/digest", "jsonpath={.status.phase}=Succeeded")


def test_logs_and_commands_in_pods(cluster: Cluster) -> None:
    """Argo's signals to pods go the same way."""
    pod(cluster, "talks", shell("echo said; exec busybox sleep 1000"))
    wait(cluster, "pod/talks", "condition=Ready")
    assert cluster.kubectl("-n", NAMESPACE, "logs", "talks") == "said\n"
    assert cluster.kubectl("-n", NAMESPACE, "exec", "talks", "--", "/bin/busybox", "echo", "done") == "done\n"


def test_a_user_may_do_what_the_role_says(cluster: Cluster) -> None:
    token = cluster.kubectl("-n", NAMESPACE, "create", "token", "default").strip()
    path = cluster.user_kubeconfig("default-of-the-test", token, NAMESPACE)
    assert path.stat().st_mode & 0o777 == 0o600
    rights = cluster.kubectl(f"--kubeconfig={path}", "auth", "can-i", "--list")
    assert "workflowtaskresults" in rights
    assert "secrets" not in rights


def test_the_argo_server_asks_for_a_token_and_shows_its_certificate(cluster: Cluster) -> None:
    trusted = ssl.create_default_context(cafile=str(cluster.argo_server_ca))
    request = urllib.request.Request(f"{cluster.argo_server_url}/api/v1/workflows/{NAMESPACE}")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, context=trusted, timeout=30)
    token = cluster.kubectl("-n", "argo", "create", "token", "argo-server").strip()
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, context=trusted, timeout=30) as answer:
        assert "items" in json.load(answer)
