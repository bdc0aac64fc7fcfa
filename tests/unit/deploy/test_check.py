"""`hera deploy --check`: what is missing is a fault with a hint, and what is only worth knowing is none."""

from collections.abc import Iterable

import pytest

from tests.unit.deploy.api import Api
from workflows.catalog import CATALOG
from workflows.deploy import check
from workflows.deploy.apply import apply
from workflows.deploy.controller import DEFAULT_REPOSITORY
from workflows.deploy.finding import Finding
from workflows.deploy.kinds import KINDS
from workflows.deploy.objects import objects
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

SETTINGS = Settings()
TEMPLATES = [f"template {name}" for name in CATALOG]
DEPLOYMENT = KINDS["Deployment"].path("herasphere", "herasphere-media")
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
CONTROLLERS = "/apis/apps/v1/deployments"


def levels(findings: Iterable[Finding]) -> dict[str, str]:
    return {finding.what: finding.level for finding in findings}


def faults(findings: Iterable[Finding]) -> list[str]:
    return [f"{finding.what}: {finding.found}" for finding in findings if finding.level == "fault"]


def controller(api: Api, *args: str, image: str = "quay.io/argoproj/workflow-controller:v4.0.7", **data: str) -> None:
    container = {"name": "x", "image": image, "args": list(args), "env": []}
    spec = {"template": {"spec": {"containers": [container]}}}
    api.fixed[CONTROLLERS]["items"] = [{"metadata": {"name": "some-release", "namespace": "argo"}, "spec": spec}]
    api.fixed["/api/v1/namespaces/argo/configmaps/workflow-controller-configmap"] = {"data": data}


def test_a_cluster_that_has_everything(server: Server, api: Api) -> None:
    controller(api)
    findings = list(check.before(server, SETTINGS))
    assert not [finding for finding in findings if finding.level in ("warning", "fault")]
    assert all(finding.hint for finding in findings if finding.level != "ok")


def test_what_is_missing_is_a_fault_with_a_hint(server: Server, api: Api) -> None:
    api.fixed["/apis/argoproj.io/v1alpha1"]["resources"].pop()
    api.fixed[CLASSES]["items"] = []
    api.denied = {("patch", "roles"), ("create", "secrets"), ("get", "secrets")}
    findings = list(check.before(server, SETTINGS))
    assert faults(findings) == [
        "Argo Workflows: the cluster has no CRD workflowtaskresults",
        "this user's rights: may not patch roles, create secrets",
        "storage: there is no default class",
    ]
    assert all(finding.hint for finding in findings if finding.level != "ok")


def test_a_cluster_without_argo(server: Server, api: Api) -> None:
    del api.fixed["/apis/argoproj.io/v1alpha1"]
    (first, *_) = check.before(server, SETTINGS)
    assert first.level == "fault" and "workflowtemplates" in first.found and "docs/deploy.md" in first.hint


def test_a_storage_class_that_is_not_there(server: Server) -> None:
    assert faults(check.before(server, Settings(storage_class="slow"))) == ["storage: there is no class slow"]


@pytest.mark.parametrize(
    ("image", "level", "shown"),
    [
        ("quay.io/argoproj/workflow-controller:v4.0.7", "ok", "4.0.7"),
        ("registry:5000/workflow-controller:v4.10.0", "ok", "4.10.0"),
        ("quay.io/argoproj/workflow-controller:v4.0.2", "warning", "4.0.2"),
        ("quay.io/argoproj/workflow-controller:v3.7.9", "warning", "3.7.9"),
        ("lab/workflow-controller:latest", "note", "unknown (lab/workflow-controller:latest)"),
    ],
)
def test_argos_version_is_told_and_never_refused(server: Server, api: Api, image: str, level: str, shown: str) -> None:
    controller(api, image=image)
    findings = list(check.before(server, SETTINGS))
    told = next(finding for finding in findings if finding.what == "Argo's version")
    assert (told.level, told.found) == (level, shown)
    assert not faults(findings)
    assert ("made again after its workflow has completed" in told.hint) == (level == "warning")


@pytest.mark.parametrize(
    ("args", "watches_us"),
    [
        ([], True),
        (["--namespaced"], False),
        (["--namespaced", "--managed-namespace", "herasphere"], True),
        (["--namespaced", "--managed-namespace=other"], False),
        (["--managed-namespace=other"], True),
    ],
)
def test_whether_the_controller_watches_the_namespace(
    server: Server, api: Api, args: list[str], watches_us: bool
) -> None:
    controller(api, *args)
    assert levels(check.before(server, SETTINGS))["Argo's controller"] == ("ok" if watches_us else "fault")


def test_one_of_several_controllers_is_enough(server: Server, api: Api) -> None:
    controller(api, "--namespaced")
    other = api.fixed[CONTROLLERS]["items"][0]
    controller(api)
    api.fixed[CONTROLLERS]["items"].append(other)
    assert not faults(check.before(server, SETTINGS))


@pytest.mark.parametrize("data", [{"instanceID": "mine"}, {"config": "instanceID: mine\n"}])
def test_a_controller_that_sees_only_labelled_workflows(server: Server, api: Api, data: dict[str, str]) -> None:
    controller(api, **data)
    assert [fault.partition(":")[0] for fault in faults(check.before(server, SETTINGS))] == ["Argo's settings"]


@pytest.mark.parametrize(
    ("data", "level"),
    [({}, "note"), ({"artifactRepository": "s3:\n  bucket: x\n"}, "ok"), ({"artifactRepository": "{"}, "ok")],
)
def test_an_artifact_repository_is_told_and_not_needed(
    server: Server, api: Api, data: dict[str, str], level: str
) -> None:
    controller(api, **data)
    assert levels(check.before(server, SETTINGS))["artifact repository"] == level


REPOSITORIES = "/api/v1/namespaces/herasphere/configmaps/artifact-repositories"


def test_a_deployment_with_artifacts_needs_a_repository(server: Server, api: Api) -> None:
    controller(api)
    wanted = Settings(artifacts=True)
    assert faults(check.before(server, wanted)) == ["artifact repository: none: steps that leave artifacts would fail"]
    api.fixed[REPOSITORIES] = {"metadata": {"annotations": {DEFAULT_REPOSITORY: "reports"}}, "data": {"reports": ""}}
    assert not faults(check.before(server, wanted))
    del api.fixed[REPOSITORIES]
    controller(api, artifactRepository="s3:\n  bucket: x\n")
    assert not faults(check.before(server, wanted))


def test_a_controller_with_another_configmap(server: Server, api: Api) -> None:
    controller(api, "--configmap", "another")
    api.fixed["/api/v1/namespaces/argo/configmaps/another"] = {"data": {"instanceID": "mine"}}
    assert "Argo's settings" in levels(check.before(server, SETTINGS))


def test_who_may_look_at_little_is_told_what_was_not_looked_at(server: Server, api: Api) -> None:
    for path in (CONTROLLERS, CLASSES):
        api.refuse["GET", path] = (403, "forbidden")
    found = levels(check.before(server, SETTINGS))
    assert (found["storage"], found["Argo's controller"]) == ("note", "note")


def deployed(server: Server, api: Api, settings: Settings = SETTINGS) -> None:
    list(apply(server, objects(settings)))
    deployment = api.objects[DEPLOYMENT]
    deployment["metadata"]["generation"] = 1
    deployment["status"] = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}
    labels = {"app.kubernetes.io/name": "herasphere-media"}
    pod = {"metadata": {"name": "p", "labels": labels}, "status": {"hostIP": "127.0.0.1"}}
    api.objects["/api/v1/namespaces/herasphere/pods/p"] = pod


def test_before_a_deployment_all_of_it_is_missing(server: Server) -> None:
    missing = {fault.partition(":")[0] for fault in faults(check.after(server, SETTINGS))}
    assert missing == {"namespace", *TEMPLATES, "objects", "media service"}


def test_what_is_deployed_is_told(server: Server, api: Api) -> None:
    settings = Settings(media_port=1)
    deployed(server, api, settings)
    findings = list(check.after(server, settings, "a-token"))
    assert [f.what for f in findings if f.level == "ok"] == ["namespace", *TEMPLATES, "objects"]
    outside, control = findings[-2:]
    assert "http://127.0.0.1:1" in outside.found and outside.level == "warning", "nothing listens there"
    assert control.level == "fault", "the small API has no proxy"


@pytest.mark.parametrize(("version", "level"), [("0.0.9", "fault"), ("9.9.9", "fault"), ("0.1.99", "warning")])
def test_templates_of_another_version(server: Server, api: Api, version: str, level: str) -> None:
    deployed(server, api)
    template = api.objects[KINDS["WorkflowTemplate"].path("herasphere", "sweep")]
    template["metadata"]["labels"]["app.kubernetes.io/version"] = version
    found = levels(check.after(server, SETTINGS))
    assert found["template sweep"] == level
    assert found["objects"] == "fault"


def test_a_refusal_of_the_rehearsal_is_a_fault(server: Server, api: Api) -> None:
    deployed(server, api)
    api.refuse["PATCH", DEPLOYMENT] = (409, 'Apply failed with 1 conflict: conflict with "x": .spec.replicas')
    (told,) = [finding for finding in check.after(server, SETTINGS) if finding.what == "objects"]
    assert told.level == "fault" and "Deployment/herasphere-media" in told.found and "--take-over" in told.hint
