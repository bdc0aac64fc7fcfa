"""Kickstarts and reports in Argo's UI, where the cluster has an artifact repository: a bucket of a real S3 server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster.argo_server import ArgoServer
from tests.e2e.cluster.running import ADDRESS, told
from tests.e2e.hera import Said, hera
from tests.e2e.test_install_inprocess import assert_left_clean
from tests.lab.inprocess.site import ROOT_PASSWORD, Wanted, site
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import why_not
from tests.lab.runner_image import runner_image
from tests.lab.s3.gateway import Bucket, bucket
from workflows.deploy.controller import DEFAULT_REPOSITORY, REPOSITORIES

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

NAMESPACE = "herasphere-artifacts"
PORT = 18081  # of the node, for the media service
KEYS = "bucket"


@pytest.fixture(scope="module")
def namespace(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A namespace whose workflows know a bucket, and into which was deployed with artifacts."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout_s=300)
    cluster.kubectl("create", "namespace", NAMESPACE)
    with bucket(tmp_path_factory.mktemp("s3"), host=ADDRESS) as made:
        for each in _repository(made):
            cluster.kubectl("-n", NAMESPACE, "apply", "-f", "-", given=json.dumps(each))
        image = runner_image()
        chosen = ("--image", cluster.load_image(image.archive, image.name), "--artifacts")
        words = ("deploy", *chosen, "--media-port", str(PORT), "--storage-size", "1Gi")
        said = ask(cluster, tmp_path_factory.mktemp("deploy"), *words)
        assert said.code == 0, said.err
        yield NAMESPACE
    cluster.kubectl("delete", "namespace", NAMESPACE, timeout_s=300)


def ask(cluster: Cluster, folder: Path, *words: str | Path) -> Said:
    return hera(folder, *words, timeout_s=400, KUBECONFIG=str(cluster.kubeconfig), HERASPHERE_NAMESPACE=NAMESPACE)


def _repository(made: Bucket) -> Iterator[dict[str, object]]:
    keys = {"access": made.access_key, "secret": made.secret_key}
    yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEYS}, "stringData": keys}
    s3 = {"endpoint": made.address, "bucket": made.name, "region": made.region, "insecure": True}
    s3 |= {f"{key}KeySecret": {"name": KEYS, "key": key} for key in keys}
    about = {"name": REPOSITORIES, "annotations": {DEFAULT_REPOSITORY: "bucket"}}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"bucket": json.dumps({"s3": s3})}}


def test_kickstart_and_report_open_in_the_ui(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    with site(tmp_path, [Wanted()], address=ADDRESS, series="ART") as made:
        assert ask(cluster, tmp_path, "media", "add", made.iso, "--cluster").code == 0
        said = ask(cluster, tmp_path, "submit", "install-hosts", "-f", made.table, "--yes", "--watch", "--json")
        assert said.code == 0, told(said)
        assert_left_clean(made)
    run = said.events("workflow-finished")[-1]["workflow"]
    ui = ArgoServer(cluster, cluster.kubectl("-n", "argo", "create", "token", "argo-server").strip(), namespace)
    kickstart = ui.artifact(f"{run}-esx01", "prepare-config(0)", "kickstart-cfg").text
    assert "serial number ART0001" in kickstart and "rootpw --iscrypted $6$hidden$" in kickstart.replace("'", "")
    assert ROOT_PASSWORD not in kickstart and "http://hidden/" in kickstart
    report = ui.artifact(run, "report(0)", "report-html")
    assert report.headers["Content-Type"].startswith("text/html") and "esx01" in report.text
    assert [each["phase"] for each in ui.artifact(run, "report(0)", "report-json").json()["hosts"]] == ["Succeeded"]
