"""`hera submit release` on a real Argo: pods that build an image and an appliance on a vCenter whose VMs boot."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import images
from tests.e2e.cluster.running import ADDRESS, CLUSTER, NAMESPACE, WITHIN_S, ask, told, until_told, watch
from tests.e2e.hera import Said, hera
from tests.e2e.images import BY_FLOPPY, Desk
from tests.lab.here import network_for_tests
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import why_not
from tests.lab.vcenter import fixture

REASON = why_not() or images.WHY_NOT
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(REASON), reason=REASON or "-")]

CLAIM = "appliances"


@pytest.fixture(scope="module")
def desk(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with images.desk(tmp_path_factory.mktemp("images"), network_for_tests("j", 10), ADDRESS, ADDRESS) as made:
        yield made


@pytest.fixture
def claim(cluster: Cluster) -> Iterator[Path]:
    """The folder of a claim that is there for the test."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    manifest = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": spec}
    cluster.kubectl("-n", NAMESPACE, "apply", "-f", "-", given=json.dumps(manifest))
    bound = ("-n", NAMESPACE, "wait", f"pvc/{CLAIM}", "--for=jsonpath={.status.phase}=Bound", "--timeout=60s")
    cluster.kubectl(*bound)
    volume = cluster.kubectl("-n", NAMESPACE, "get", "pvc", CLAIM, "-o", "jsonpath={.spec.volumeName}").strip()
    yield cluster.layout.volumes / volume
    cluster.kubectl("-n", NAMESPACE, "delete", "pvc", CLAIM, "--wait=false")


def submit(desk: Desk, workflow: str, *words: str | Path) -> Said:
    env = CLUSTER | fixture.environment(desk.vc)
    return hera(desk.folder, "submit", workflow, "-f", desk.common, *words, timeout_s=WITHIN_S, **env)


def test_an_iso_becomes_an_ova_on_a_volume_of_the_cluster(desk: Desk, claim: Path) -> None:
    provision = [{"script": "provision.sh", "environment": {"WHO": "pod"}}]
    image = desk.image("base", provision=provision, **BY_FLOPPY)
    properties = [{"key": "hostname", "default": "appliance"}]
    appliance = {"name": "appliance", "output_dir": f"pvc:{CLAIM}/nightly", "ova_name": "k3s", "properties": properties}
    parts = ("--image", image, "--appliance", desk.settings("appliance", appliance))
    said = submit(desk, "release", *parts, "--watch", "--json")
    assert said.code == 0, told(said)
    assert {path.name for path in (claim / "nightly").iterdir()} == {"k3s.ova", "k3s.ova.sha256", "manifest.json"}
    verified = hera(desk.folder, "ova", "verify", claim / "nightly" / "k3s.ova")
    assert verified.code == 0, verified.out + verified.err
    for name in ("base", "appliance"):
        seen = desk.seen(name)
        assert seen is not None and seen.is_finished
    secrets = (fixture.GUEST_PASSWORD, desk.vc.password)
    assert not any(secret in said.out + said.err for secret in secrets)


def test_stopped_while_it_installs_nothing_is_left(desk: Desk) -> None:
    said = submit(desk, "build-image", "-f", desk.image("stopped", **BY_FLOPPY))
    assert said.code == 0, said.err
    run = said.out.strip()
    until_told(desk.folder, run, ("progress", "", "wait-for-guest"))
    assert desk.seen("stopped") is not None
    assert ask(desk.folder, "stop", run).code == 0
    ended = watch(desk.folder, run)
    assert ended.code == 1 and f"{run}: stopped" in ended.err
    assert desk.seen("stopped") is None
