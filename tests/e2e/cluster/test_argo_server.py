"""Argo's UI and `hera --server`: both speak to argo-server's REST API, and see no more of the cluster than that."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.domain.wait import wait_until
from tests.e2e.cluster.argo_server import ArgoServer
from tests.e2e.cluster.running import NAMESPACE, ask, installing, phase_of, told
from tests.e2e.hera import hera
from tests.e2e.test_install_inprocess import assert_left_clean
from tests.lab.inprocess.options import Delays
from tests.lab.inprocess.site import BMC_PASSWORD, BMC_USER, ROOT_PASSWORD, InProcessSite, Wanted
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import why_not
from workflows.catalog import CATALOG
from workflows.install_hosts import Parameters

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

SECRETS = "of-the-ui"


@pytest.fixture(scope="module")
def person(cluster: Cluster) -> str:
    """The token of somebody with the role herasphere-operator."""
    name = "sees-the-ui"
    cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", name)
    words = ("--role=herasphere-operator", f"--serviceaccount={NAMESPACE}:{name}")
    cluster.kubectl("-n", NAMESPACE, "create", "rolebinding", name, *words)
    return cluster.kubectl("-n", NAMESPACE, "create", "token", name, "--duration=1h").strip()


@pytest.fixture
def server(cluster: Cluster, person: str) -> ArgoServer:
    return ArgoServer(cluster, person, NAMESPACE)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[InProcessSite]:
    """A server whose table names only Secrets of the cluster."""
    refer = {key: {"secret": SECRETS, "key": key} for key in ("bmc", "root", "ca")}
    bmc = {"username": BMC_USER, "password": refer["bmc"], "ca": refer["ca"]}
    slow = Wanted(delays=Delays(block_s=2.0, install_s=5.0))  # for its progress to be seen
    with installing(tmp_path, slow, bmc=bmc, root_password=refer["root"]) as site:
        for key, text in (("bmc", BMC_PASSWORD), ("root", ROOT_PASSWORD), ("ca", (tmp_path / "ca.pem").read_text())):
            file = tmp_path / f"{key}.secret"
            file.write_text(text)
            said = ask(tmp_path, "secrets", "set", SECRETS, f"{key}={file}")
            assert said.code == 0, said.err
        yield site


def ended(workflow: str) -> str:
    over = wait_until(
        lambda: (phase := phase_of(workflow)) in ("Succeeded", "Failed", "Error") and phase,
        what=f"the end of {workflow}",
        where=NAMESPACE,
        hint="-",
        timeout_s=300,
    )
    return str(over)


def test_every_template_has_a_form_that_explains_itself(server: ArgoServer) -> None:
    for name in CATALOG:
        template = server.template(name)
        about = template["metadata"]["annotations"]
        assert about["workflows.argoproj.io/title"] and about["workflows.argoproj.io/description"]
        parameters = template["spec"]["arguments"].get("parameters", [])
        assert all(each.get("description") for each in parameters)
    form = server.template("install-hosts")["spec"]["arguments"]["parameters"]
    assert [each["name"] for each in form] == list(Parameters.model_fields)
    chosen = {each["name"]: (each.get("value"), each.get("enum")) for each in form}
    assert chosen["reinstall"] == ("false", ["false", "true"]) and chosen["table"] == (None, None)


def test_a_run_is_started_approved_and_followed_in_the_ui(server: ArgoServer, made: InProcessSite) -> None:
    run = server.submit("install-hosts", table=made.table.read_text(), approve="true")

    def waits() -> bool:
        return bool(server.nodes(run).get("approve", {}).get("phase") == "Running")

    wait_until(waits, what="the plan", where=run, hint="-", timeout_s=120)
    server.resume(run)

    def is_under_way() -> bool:
        """Argo's own count is 0/1, then 1/1."""
        install = server.nodes(f"{run}-esx01").get("install(0)", {})
        return bool(re.fullmatch(r"\d+/100", install.get("progress", "")))

    wait_until(is_under_way, what="the progress of install", where=run, hint="-", timeout_s=200)
    assert ended(run) == "Succeeded"
    assert made.servers[0].machine.esxi
    assert_left_clean(made)
    assert server.nodes(f"{run}-esx01")["verify"]["outputs"]["parameters"]
    done, _, of = server.status(f"{run}-esx01")["progress"].partition("/")
    assert done == of != "0"


def test_a_faulty_table_from_the_ui_is_told_with_its_place(server: ArgoServer, made: InProcessSite) -> None:
    table = made.table.read_text().replace("serial:", "seriol:")
    run = server.submit("install-hosts", table=table)
    assert ended(run) == "Failed"
    message = server.nodes(run)["plan-hosts(0)"]["message"]
    assert "seriol" in message and "did you mean serial" in message
    assert not made.servers[0].machine.is_on


def test_hera_works_where_only_an_argo_server_can_be_reached(
    cluster: Cluster, person: str, made: InProcessSite, tmp_path: Path
) -> None:
    where = ("--server", cluster.argo_server_url, "--server-ca", cluster.argo_server_ca)
    reached = {"ARGO_TOKEN": person, "HERASPHERE_NAMESPACE": NAMESPACE, "KUBECONFIG": "/nonexistent"}
    words = ("submit", "install-hosts", "-f", made.table, "--yes", "--watch", "--json")
    said = hera(tmp_path, *words, *where, timeout_s=400, **reached)
    assert said.code == 0, told(said)
    assert_left_clean(made)
    run = said.events("workflow-finished")[-1]["workflow"]
    listed = hera(tmp_path, "list", "--json", *where, timeout_s=60, **reached)
    assert run in listed.out
    logs = hera(tmp_path, "logs", run, *where, timeout_s=60, **reached)
    assert person not in said.out + said.err + listed.out + logs.out
