"""`hera deploy`, `hera secrets` and `hera config` on a real Kubernetes, in a namespace of their own."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from steps.domain.wait import wait_until
from tests.e2e.hera import ROOT, Said, command, environment, hera
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import why_not
from tests.lab.kube.layout import NODE_ADDRESS
from workflows.deploy.accounts import PEOPLE
from workflows.deploy.objects import objects
from workflows.deploy.settings import Settings

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not())]

NAMESPACE = "herasphere-deploying"
PORT = 18080  # of the node; 8080 is the media service's of the other tests
CHOICES = ("--media-port", str(PORT), "--storage-size", "1Gi")
KINDS = "namespace,serviceaccount,role,rolebinding,secret,persistentvolumeclaim,service,deployment,workflowtemplate"


class Deployed:
    """The namespace, and `hera` for it."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder = folder
        self.cluster = cluster
        self.environment = {"KUBECONFIG": str(cluster.kubeconfig), "HERASPHERE_NAMESPACE": NAMESPACE}

    def hera(self, *words: str | Path, **more: str) -> Said:
        return hera(self.folder, *words, timeout_s=300, **{**self.environment, **more})

    def deploy(self, *words: str) -> list[str]:
        said = self.hera("deploy", *words)
        assert said.code == 0, said.out + said.err
        return said.out.splitlines()

    def kubectl(self, *words: str, given: str | None = None) -> str:
        return self.cluster.kubectl("-n", NAMESPACE, *words, given=given)

    def versions(self) -> dict[str, str]:
        """The version of every object that a deployment has."""
        items = json.loads(self.kubectl("get", KINDS, "-l", "app.kubernetes.io/part-of=herasphere", "-o", "json"))[
            "items"
        ]
        # the controllers write into the status of these
        kept = [each for each in items if each["kind"] not in ("Deployment", "PersistentVolumeClaim", "CronWorkflow")]
        return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in kept}


@pytest.fixture(scope="module")
def deployed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A namespace into which this version has been deployed; it is gone afterwards."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout_s=300)
    cluster.up()  # gives free the volumes of claims that are gone
    made = Deployed(tmp_path_factory.mktemp("deploy"), cluster)
    done = [line.split()[0] for line in made.deploy(*CHOICES)]
    assert set(done) == {"created"} and len(done) == len(objects(Settings())) + 1
    yield made
    cluster.kubectl("delete", "namespace", NAMESPACE, timeout_s=300)


def changes(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("unchanged")]


def test_a_second_time_changes_nothing(deployed: Deployed) -> None:
    before = deployed.versions()
    assert changes(deployed.deploy()) == []
    assert deployed.versions() == before and len(before) > 10


def test_the_check_finds_no_fault_and_changes_nothing(deployed: Deployed) -> None:
    before = deployed.versions()
    said = deployed.hera("deploy", "--check")
    assert said.code == 0, said.out
    assert f"for BMCs at http://{NODE_ADDRESS}:{PORT}, which this desk reaches" in said.out
    assert f"Argo's controller: in namespace argo, watches {NAMESPACE}" in said.out
    assert "holds 0 ISOs" in said.out
    assert deployed.versions() == before


def test_what_is_rendered_is_what_the_server_has(deployed: Deployed) -> None:
    rendered = deployed.hera("deploy", "--render", *CHOICES).out
    assert not [each for each in yaml.safe_load_all(rendered) if each["kind"] == "Secret"]
    apply = ("apply", "--server-side", "--dry-run=server", "--field-manager=gitops", "--force-conflicts", "-f", "-")
    told = deployed.kubectl(*apply, given=rendered).splitlines()
    assert len(told) == len(objects(Settings())) and all("serverside-applied" in line for line in told)


def test_what_somebody_else_has_set_is_told_and_taken_over_only_when_asked(deployed: Deployed) -> None:
    deployed.kubectl("label", "--overwrite", "deployment/herasphere-media", "app.kubernetes.io/version=0.0.0")
    before = deployed.versions()
    said = deployed.hera("deploy")
    assert said.code == 2 and said.out == ""
    assert "Deployment/herasphere-media" in said.err and "kubectl-label" in said.err and ".metadata.labels" in said.err
    assert deployed.versions() == before, "nothing was applied, not even what comes before it"
    changed = [line.split()[1] for line in deployed.deploy("--take-over") if line.startswith("changed")]
    assert changed == ["Deployment/herasphere-media"]
    assert changes(deployed.deploy()) == []


def test_a_schedule_that_was_suspended_stays_so(deployed: Deployed) -> None:
    assert deployed.hera("schedule", "suspend", "sweep").code == 0
    assert "unchanged  CronWorkflow/sweep" in deployed.deploy()
    shown = deployed.kubectl("get", "cronworkflow", "sweep", "-o", "jsonpath={.spec.suspend}")
    assert shown == "true"
    assert deployed.hera("schedule", "resume", "sweep").code == 0
    assert "unchanged  CronWorkflow/sweep" in deployed.deploy()
    assert deployed.kubectl("get", "cronworkflow", "sweep", "-o", "jsonpath={.spec.suspend}") != "true"


def older(deployed: Deployed, kind: str, name: str) -> None:
    """An object that a version before this one deployed."""
    made = next(each for each in objects(Settings(namespace=NAMESPACE)) if each["kind"] == kind)
    made["metadata"]["name"] = name
    deployed.kubectl("apply", "--server-side", "--field-manager=herasphere", "-f", "-", given=json.dumps(made))


def test_what_an_earlier_version_left_is_removed_and_no_data(deployed: Deployed) -> None:
    older(deployed, "WorkflowTemplate", "install-rack")
    older(deployed, "PersistentVolumeClaim", "old-library")
    named = deployed.hera("deploy")
    assert "WorkflowTemplate/install-rack; --prune removes them" in named.err
    removed = [line.split()[1] for line in deployed.deploy("--prune", "--yes") if line.startswith("removed")]
    assert removed == ["WorkflowTemplate/install-rack"]
    assert "old-library" in deployed.kubectl("get", "pvc")
    data = "PersistentVolumeClaim/old-library"
    removed = [line.split()[1] for line in deployed.deploy("--prune", "--prune-data", data, "--yes")[-1:]]
    assert removed == [data]


def test_why_the_media_service_does_not_come_up(deployed: Deployed) -> None:
    taken = deployed.hera("deploy", "--media-port", "8080", "--wait", "10")
    assert taken.code == 1 and "free ports" in taken.err and "--media-port" in taken.err
    image = ("--image", "herasphere/none:1", "--pull-policy", "Never")
    missing = deployed.hera("deploy", *image, "--media-port", str(PORT), "--wait", "60")
    assert missing.code == 1 and "ErrImageNeverPull" in missing.err and "--image" in missing.err
    deployed.deploy("--forget", *CHOICES)
    assert deployed.hera("deploy", "--check").code == 0


def test_a_choice_the_cluster_refuses_is_told_before_anything_is_applied(deployed: Deployed) -> None:
    before = deployed.versions()
    said = deployed.hera("deploy", "--storage-class", "another", "--media-port", "18081")
    assert said.code == 2 and said.out == ""
    assert "PersistentVolumeClaim/herasphere-media" in said.err and "keeps its class" in said.err
    assert deployed.versions() == before


def test_a_load_balancers_address_is_waited_for_and_remembered(deployed: Deployed) -> None:
    words = command("deploy", "--expose", "loadbalancer", "--media-port", "18082")
    patch = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": NODE_ADDRESS}]}}})
    balancer = ("service", "herasphere-media-public")
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment(deployed.folder, **deployed.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(
            lambda: deployed.kubectl("get", *balancer, "--ignore-not-found") or None,
            what="the load balancer",
            where=NAMESPACE,
            hint="-",
            timeout_s=60,
        )
        deployed.kubectl("patch", *balancer, "--subresource=status", "--type=merge", "-p", patch)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert f"reach the media service at http://{NODE_ADDRESS}:18082" in err and "this desk reaches it there" in err
    assert changes(deployed.deploy()) == []
    told = deployed.hera("deploy", "--expose", "hostport", "--media-port", str(PORT))
    assert "Service/herasphere-media-public; --prune removes them" in told.err
    assert "removed    Service/herasphere-media-public" in deployed.deploy("--prune", "--yes")


def test_secrets_are_set_listed_and_deleted_and_no_value_is_shown(deployed: Deployed) -> None:
    file = deployed.folder / "password"
    file.write_text("Hunter2!\n")
    for words in (("bmc", f"password={file}"), ("bmc", f"other={file}")):
        said = deployed.hera("secrets", "set", *words)
        assert said.code == 0 and "Hunter2" not in said.out + said.err
    shown = deployed.kubectl("get", "secret", "bmc", "-o", "jsonpath={.data.password}")
    assert shown == "SHVudGVyMiE="
    listed = json.loads(deployed.hera("secrets", "list", "--json").out)
    assert {"name": "bmc", "keys": ["other", "password"]} in listed
    assert deployed.hera("secrets", "delete", "bmc", "other").code == 0
    assert "other" not in deployed.kubectl("get", "secret", "bmc", "-o", "jsonpath={.data}")
    assert deployed.hera("secrets", "delete", "bmc").code == 0


def test_files_are_pushed_and_argo_takes_parameters_from_them(deployed: Deployed) -> None:
    for name in ("hosts.yaml", "more.yaml"):
        (deployed.folder / name).write_text(f"# {name}\n")
    files = ("-f", deployed.folder / "hosts.yaml", "-f", deployed.folder / "more.yaml")
    assert deployed.hera("config", "push", "rack-7", *files).code == 0
    assert deployed.hera("config", "push", "rack-7", *files[:2]).code == 0
    listed = json.loads(deployed.hera("config", "list", "--json").out)
    assert listed == [{"name": "rack-7", "files": {"hosts.yaml": 13}}]
    parameter = {"name": "keep_days", "valueFrom": {"configMapKeyRef": {"name": "rack-7", "key": "hosts.yaml"}}}
    workflow: dict[str, Any] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "takes-a-file"},
        "spec": {"workflowTemplateRef": {"name": "sweep"}, "arguments": {"parameters": [parameter]}},
    }
    deployed.kubectl("create", "-f", "-", given=json.dumps(workflow))
    shown = (
        "get",
        "workflow",
        "takes-a-file",
        "-o",
        "jsonpath={.status.phase} {.status.message} {.status.nodes.*.inputs}",
    )
    told = wait_until(
        lambda: text if "keep_days" in (text := deployed.kubectl(*shown)) or "Error" in text else None,
        what="a step of the workflow",
        where=NAMESPACE,
        hint="-",
        timeout_s=60,
    )
    assert "# hosts.yaml" in told
    deployed.kubectl("delete", "workflow", "takes-a-file")


DENIED = (
    ("get", "secrets"),
    ("list", "secrets"),
    ("watch", "secrets"),
    ("update", "secrets/herasphere-media"),
    ("delete", "workflows"),
    ("create", "workflowtemplates"),
    ("patch", "workflowtemplates"),
    ("create", "pods"),
    ("delete", "pods"),
    ("create", "pods/exec"),
    ("delete", "configmaps"),
    ("patch", "deployments"),
    ("get", "serviceaccounts"),
    ("create", "serviceaccounts/token"),
    ("create", "rolebindings"),
    ("patch", "roles"),
    ("delete", "persistentvolumeclaims"),
    ("get", "services/proxy"),
    ("get", "nodes"),
    ("list", "namespaces"),
)


def test_the_operators_role_allows_what_it_lists_and_nothing_more(deployed: Deployed) -> None:
    deployed.kubectl("create", "serviceaccount", "ana")
    deployed.kubectl("create", "rolebinding", "ana", "--role=herasphere-operator", f"--serviceaccount={NAMESPACE}:ana")

    def may(verb: str, resource: str, namespace: str = NAMESPACE) -> bool:
        spec: dict[str, Any] = {"user": f"system:serviceaccount:{NAMESPACE}:ana"}
        kind, _, sub = resource.partition("/")
        name = ""
        if sub and kind in ("secrets", "services") and sub not in ("proxy",):
            name, sub = sub, ""
        group = next((rule.group for rule in PEOPLE if rule.resource.partition("/")[0] == kind), "")
        group = {"workflowtemplates": "argoproj.io", "deployments": "apps"}.get(kind, group)
        group = "rbac.authorization.k8s.io" if kind in ("roles", "rolebindings") else group
        spec["resourceAttributes"] = {
            "namespace": namespace, "verb": verb, "group": group, "resource": kind, "subresource": sub, "name": name,
        }  # fmt: skip
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        told = deployed.kubectl("create", "-f", "-", "-o", "json", given=json.dumps(review))
        return bool(json.loads(told)["status"]["allowed"])

    assert [each for each in DENIED if may(*each)] == []
    listed = [(verb, rule.resource) for rule in PEOPLE if not rule.names for verb in rule.verbs]
    assert [each for each in listed if not may(*each)] == []
    assert may("get", "secrets/herasphere-media") and not may("get", "secrets/herasphere-media", "herasphere")
    assert not may("create", "workflows", "herasphere")

    token = deployed.kubectl("create", "token", "ana").strip()
    hers = {"KUBECONFIG": str(deployed.cluster.user_kubeconfig("ana", token, NAMESPACE))}
    checked = deployed.hera("deploy", "--check", **hers)
    assert checked.code == 2 and "as an administrator" in checked.err
    refused = deployed.hera("deploy", **hers)
    assert refused.code == 2 and "administrator" in refused.err
    assert "may read them" in deployed.hera("secrets", "list", **hers).err
