"""A deployment: what it consists of, that a second one changes nothing, what is found before anything is touched."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steps.clients.kube import Kube
from steps.domain.errors import ConfigError, Refused
from tests.house.test_golden import compare
from tests.unit.deploy.api import Api, served
from workflows.defaults import IMAGE, VERSION
from workflows.deploy.accounts import ROLES
from workflows.deploy.apply import apply, ensure_token, left_over, remove
from workflows.deploy.check import check_after, check_before
from workflows.deploy.image import pinned
from workflows.deploy.kinds import KINDS
from workflows.deploy.objects import objects, rendered
from workflows.deploy.settings import Settings, chosen, remembered

GOLDEN = Path(__file__).parents[2] / "golden" / "deploy"
SETTINGS = Settings()


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def kube(api: Api) -> Iterator[Kube]:
    with served(api) as client:
        yield client


def brought(kube: Kube, settings: Settings = SETTINGS) -> list[str]:
    changes = [ensure_token(kube, settings), *apply(kube, objects(settings))]
    return [change.done for change in changes]


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("default", SETTINGS),
        ("load-balancer", Settings(expose="loadbalancer", media_address="10.0.0.9", storage_class="fast")),
    ],
)
def test_rendered(name: str, settings: Settings) -> None:
    compare(GOLDEN / f"{name}.yaml", rendered(settings).replace(VERSION, "VERSION"))


def test_a_second_time_changes_nothing(kube: Kube) -> None:
    assert set(brought(kube)) == {"created"}
    assert set(brought(kube)) == {"unchanged"}


def test_another_choice_changes_just_what_it_is_about(kube: Kube) -> None:
    brought(kube)
    changes = list(apply(kube, objects(Settings(media_address="10.0.0.9"))))
    assert [(c.kind, c.name) for c in changes if c.done == "changed"] == [("Deployment", "herasphere-media")]


def test_the_token_is_made_once_and_stands_in_nothing_that_is_rendered(kube: Kube, api: Api) -> None:
    path = KINDS["Secret"].path("herasphere", "herasphere-media")
    ensure_token(kube, SETTINGS)
    token = api.objects[path]["stringData"]["token"]
    assert ensure_token(kube, SETTINGS).done == "unchanged"
    assert api.objects[path]["stringData"]["token"] == token and len(token) > 40
    assert "kind: Secret" not in rendered(SETTINGS)


def test_a_dry_run_leaves_nothing(kube: Kube, api: Api) -> None:
    ensure_token(kube, SETTINGS, dry_run=True)
    assert {change.done for change in apply(kube, objects(SETTINGS), dry_run=True)} == {"created"}
    assert api.objects == {}


def test_what_an_earlier_version_left_is_found_and_removed_but_no_data(kube: Kube, api: Api) -> None:
    brought(kube)
    old = json.loads(json.dumps(objects(SETTINGS)[-1]))
    old["metadata"]["name"] = "old-schedule"
    peoples = {"kind": "CronWorkflow", "metadata": {"name": "peoples", "namespace": "herasphere", "labels": {}}}
    claim = next(each for each in objects(SETTINGS) if each["kind"] == "PersistentVolumeClaim")
    claim = claim | {"metadata": claim["metadata"] | {"name": "old-data"}}
    list(apply(kube, [old, peoples, claim]))
    left = left_over(kube, SETTINGS, objects(SETTINGS))
    assert [(change.kind, change.name) for change in left] == [("CronWorkflow", "old-schedule")]
    remove(kube, SETTINGS, left)
    remove(kube, SETTINGS, left)
    assert left_over(kube, SETTINGS, objects(SETTINGS)) == []


def levels(findings: Any) -> dict[str, str]:
    return {finding.what: finding.level for finding in findings}


def test_a_cluster_that_has_everything(kube: Kube) -> None:
    found = levels(check_before(kube, SETTINGS))
    assert (found["Argo Workflows"], found["your rights"], found["storage"]) == ("ok", "ok", "ok")


def test_what_is_missing_is_a_fault_with_a_hint(kube: Kube, api: Api) -> None:
    api.lists["/apis/argoproj.io/v1alpha1"]["resources"].pop()
    api.lists["/apis/storage.k8s.io/v1/storageclasses"]["items"] = []
    api.denied = {"roles", "namespaces"}
    findings = list(check_before(kube, SETTINGS))
    assert [f.what for f in findings if f.level == "fault"] == ["Argo Workflows", "your rights", "storage"]
    assert all(finding.hint for finding in findings if finding.level != "ok")
    assert "workflowtaskresults" in findings[0].found
    assert findings[1].found == "you may not apply Namespace, Role"


def controller(api: Api, image: str, args: list[str], env: list[dict[str, str]]) -> None:
    container = {"image": image, "args": args, "env": env}
    spec = {"template": {"spec": {"containers": [container]}}}
    deployment = {"metadata": {"name": "workflow-controller", "namespace": "argo"}, "spec": spec}
    api.lists["/apis/apps/v1/deployments"]["items"] = [deployment]


@pytest.mark.parametrize(
    ("image", "level"),
    [("argo:v4.0.7", "ok"), ("argo:v4.1.0", "ok"), ("argo:v4.0.2", "warning"), ("argo:latest", "warning")],
)
def test_argos_version_is_told_and_never_refused(kube: Kube, api: Api, image: str, level: str) -> None:
    controller(api, image, [], [{"name": "DEFAULT_REQUEUE_TIME", "value": "1s"}])
    found = levels(check_before(kube, SETTINGS))
    assert found["Argo's version"] == level
    assert "fault" not in found.values()


@pytest.mark.parametrize(
    ("args", "watches_us"),
    [
        ([], True),
        (["--namespaced"], False),
        (["--namespaced", "--managed-namespace", "herasphere"], True),
        (["--namespaced", "--managed-namespace=other"], False),
    ],
)
def test_whether_the_controller_watches_the_namespace(kube: Kube, api: Api, args: list[str], watches_us: bool) -> None:
    controller(api, "argo:v4.0.7", args, [])
    found = levels(check_before(kube, SETTINGS))
    assert ("Argo's controller" not in found) == watches_us
    assert found["Argo's pace"] == "warning"


def test_what_is_deployed_is_checked_too(kube: Kube, api: Api) -> None:
    assert set(levels(check_after(kube, SETTINGS)).values()) == {"fault"}
    brought(kube)
    path = KINDS["Deployment"].path("herasphere", "herasphere-media")
    api.objects[path]["status"] = {"readyReplicas": 1}
    template = api.objects[KINDS["WorkflowTemplate"].path("herasphere", "sweep")]
    template["metadata"]["labels"]["app.kubernetes.io/version"] = "0.0.1"
    found = levels(check_after(kube, SETTINGS))
    assert found.pop("template sweep") == "warning"
    assert set(found.values()) == {"ok"}


DIGEST = "docker.io/herasphere/runner@sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([[DIGEST, f"docker.io/{IMAGE}"]], DIGEST),
        ([[f"docker.io/{IMAGE}"]], IMAGE),
        ([[DIGEST, f"docker.io/{IMAGE}"], [DIGEST.replace("ab", "cd"), f"docker.io/{IMAGE}"]], IMAGE),
        ([[DIGEST, "docker.io/herasphere/runner:another"]], IMAGE),
    ],
)
def test_the_image_by_the_digest_that_nodes_agree_on(
    kube: Kube, api: Api, names: list[list[str]], expected: str
) -> None:
    api.lists["/api/v1/nodes"]["items"] = [{"status": {"images": [{"names": each} for each in names]}}]
    assert pinned(kube, IMAGE) == expected
    assert pinned(kube, DIGEST) == DIGEST


def test_what_was_chosen_once_holds_until_another_choice() -> None:
    before = remembered(Settings(media_address="10.0.0.9", media_port=9090))
    again = chosen({"namespace": "herasphere", "media_port": 8080}, before)
    assert (again.media_address, again.media_port) == ("10.0.0.9", 8080)


@pytest.mark.parametrize(
    "given",
    [
        {"namespace": "Not_A_Name"},
        {"media_address": "http://10.0.0.5"},
        {"media_address": "[10.0.0.5]"},
        {"media_port": 0},
        {"storage_size": "lots"},
        {"image": "a b"},
        {"media_node": ("x",)},
    ],
)
def test_a_bad_choice_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--"):
        chosen(given)


def test_an_image_of_another_version_is_not_taken_over() -> None:
    before = json.dumps({"version": "0.0.1", "image": "registry.example/runner:0.0.1"})
    assert chosen({}, before).image == f"registry.example/runner:{VERSION}"
    with pytest.raises(Refused, match="--image"):
        chosen({}, json.dumps({"version": "0.0.1", "image": "registry.example/runner:latest"}))


def test_no_pod_of_ours_may_read_secrets_or_touch_other_workflows() -> None:
    for account in ("herasphere-steps", "herasphere-rollout"):
        assert {rule.group for rule in ROLES[account]} == {"argoproj.io"}
    assert {rule.resource for rule in ROLES["herasphere-steps"]} == {"workflowtaskresults"}
    readable = [rule for rule in ROLES["herasphere-operator"] if rule.resource == "secrets" and "get" in rule.verbs]
    assert [rule.names for rule in readable] == [("herasphere-media",)]
    assert not any("list" in rule.verbs for rule in ROLES["herasphere-operator"] if rule.resource == "secrets")
