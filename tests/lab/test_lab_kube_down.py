"""The lab's cluster leaves nothing on the machine, also after a crash."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.here import NETWORKS_OF_TESTS
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import ClusterInUse, only_cluster, why_not
from tests.lab.kube.host import COVERED, SETTINGS, pod_processes
from tests.lab.kube.images import PAUSE

OF_OTHER_TESTS = re.compile(rf"\b{NETWORKS_OF_TESTS}[a-z]\d")  # they come and go meanwhile

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One that is down."""
    try:
        with only_cluster() as cluster:
            yield cluster
    except ClusterInUse as error:
        pytest.skip(str(error))


def machine() -> dict[str, Any]:
    """What a cluster could leave behind."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "mounts": [line.split(" - ")[0].split()[2:] for line in mounts if not OF_OTHER_TESTS.search(line)],
        "links": names_in("/sys/class/net"),
        "addresses": re.findall(r"inet6? \S+", said("ip", "address", "show", "dev", "lo")),
        "routes": [
            line for line in said("ip", "route", "show", "table", "all").splitlines() if not OF_OTHER_TESTS.search(line)
        ],
        "rules": [line for program in ("iptables", "ip6tables") for line in rules(program)],
        "settings": {name: path.read_text() for name in SETTINGS if (path := Path("/proc/sys", name)).exists()},
        "folders": {name: Path(name).exists() for name in (*COVERED, "/etc/cni", "/opt/containerd")},
        "namespaces": names_in("/run/netns"),
        "cgroups": sorted(path.name for pattern in ("*", "*/*") for path in Path("/sys/fs/cgroup").glob(pattern)),
        "pods": pod_processes(),
    }


def names_in(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).glob("*") if not OF_OTHER_TESTS.match(path.name))


def rules(program: str) -> list[str]:
    """Chains of others and all rules: a table that was used once stays, with its own chains."""
    lines = said(f"{program}-save").splitlines()
    return sorted(line for line in lines if line.startswith("-A") or re.match(r":\S+ -", line))


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def run_a_pod(cluster: Cluster) -> None:
    """With a port of the machine, a volume in memory and a process that does not end when it is asked to."""
    container = {
        "name": "main",
        "image": PAUSE.reference,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": 8000, "hostPort": 18474}],
        "volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
    }
    volumes = [{"name": "memory", "emptyDir": {"medium": "Memory"}}]
    spec = {"containers": [container], "volumes": volumes}
    given = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stays"}, "spec": spec})
    cluster.kubectl("apply", "-f", "-", given=given)
    cluster.kubectl("wait", "pod/stays", "--for=condition=Ready", "--timeout=150s")


def test_nothing_is_left_after_a_crash_nor_after_down(cluster: Cluster) -> None:
    before = machine()
    cluster.up()
    run_a_pod(cluster)
    crash(cluster)
    assert pod_processes(), "pods outlive the programs"
    assert not cluster.is_up
    cluster.up()
    assert cluster.kubectl("get", "pods", "-o", "name") == "", "it is a new one"
    run_a_pod(cluster)
    cluster.down()
    assert machine() == before
    assert [path.name for path in cluster.layout.folder.iterdir()] == ["logs"]
    cluster.down()
    assert machine() == before


def crash(cluster: Cluster) -> None:
    """Every program is killed, the pods are not."""
    for process in cluster.processes():
        os.kill(process.pid, signal.SIGKILL)
