"""What a deployment consists of, and what can be chosen about it."""

import json
from pathlib import Path
from typing import Any

import pytest

from steps.domain.errors import Refused, Unsupported
from tests.house.test_golden import compare
from tests.house.test_manifests import faults
from workflows.backends.argo.schedules import When, check
from workflows.catalog import CATALOG
from workflows.defaults import VERSION
from workflows.deploy.accounts import ROLES
from workflows.deploy.crons import crons
from workflows.deploy.manifest import MANAGED_BY, MANAGED_BY_LABEL, PART_OF_LABEL, VERSION_LABEL
from workflows.deploy.media import last_settings
from workflows.deploy.objects import objects, rendered
from workflows.deploy.settings import Settings, chosen, remembered
from workflows.schedules import SCHEDULES

GOLDEN = Path(__file__).parents[2] / "golden" / "deploy"
SETTINGS = Settings()
BALANCED = Settings(
    expose="loadbalancer",
    media_address="10.0.0.9",
    storage_class="fast",
    pull_secret="registry",
    media_node=("disk=big",),
    image="registry.example/herasphere/runner:1",
    pinned="registry.example/herasphere/runner@sha256:" + "ab" * 32,
)


@pytest.mark.golden
@pytest.mark.parametrize(("name", "settings"), [("default", SETTINGS), ("load-balancer", BALANCED)])
def test_rendered(name: str, settings: Settings) -> None:
    compare(GOLDEN / f"{name}.yaml", rendered(settings).replace(VERSION, "VERSION"))


def test_everything_is_labelled_as_ours_and_lies_in_the_namespace() -> None:
    for each in objects(Settings(namespace="site-b")):
        labels = each["metadata"]["labels"]
        assert (labels[PART_OF_LABEL], labels[MANAGED_BY_LABEL]) == ("herasphere", MANAGED_BY)
        assert labels[VERSION_LABEL] == VERSION
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "site-b"
    assert "herasphere\n" not in {
        line for line in rendered(Settings(namespace="site-b")).splitlines() if "namespace:" in line
    }


def test_artifacts_are_left_only_where_they_were_asked_for(tmp_path: Path) -> None:
    def left(settings: Settings) -> dict[str, list[str]]:
        steps = [
            step
            for each in objects(settings)
            if each["kind"] == "WorkflowTemplate"
            for step in each["spec"]["templates"]
        ]
        found = {step["name"]: step.get("outputs", {}).get("artifacts", []) for step in steps if "script" in step}
        return {name: [each["name"] for each in artifacts] for name, artifacts in found.items() if artifacts}

    assert left(SETTINGS) == {}
    shown = {"prepare-config": ["kickstart-cfg"], "report": ["report-html", "report-json", "junit-xml"]}
    assert left(Settings(artifacts=True)) == shown
    assert all(faults(each) == [] for each in objects(Settings(artifacts=True)) if each["kind"] == "WorkflowTemplate")


def test_nothing_that_is_rendered_holds_a_secret() -> None:
    assert "Secret" not in {each["kind"] for each in objects(SETTINGS)}


def test_every_pod_gets_the_image_that_was_pinned() -> None:
    images = {
        line.partition(":")[2].strip() for line in rendered(BALANCED).splitlines() if line.strip().startswith("image:")
    }
    assert images == {BALANCED.pinned}


def test_a_load_balancer_leads_to_the_media_port_alone() -> None:
    services = {each["metadata"]["name"]: each["spec"] for each in objects(BALANCED) if each["kind"] == "Service"}
    public = services.pop("herasphere-media-public")
    assert [port["targetPort"] for port in public["ports"]] == ["media"]
    assert all(spec.get("type", "ClusterIP") == "ClusterIP" for spec in services.values())


def test_schedules_fit_argo_and_their_workflows_are_in_the_catalog() -> None:
    for schedule, cron in zip(SCHEDULES, crons(SETTINGS), strict=True):
        assert schedule.workflow in CATALOG
        check(When(schedule.cron, schedule.timezone), schedule.name, [])
        assert faults(cron) == []
        assert cron["spec"]["concurrencyPolicy"] == "Forbid"


def test_no_pod_of_ours_may_read_secrets_or_touch_other_than_workflows() -> None:
    for account in ("herasphere-steps", "herasphere-rollout"):
        assert {rule.group for rule in ROLES[account]} == {"argoproj.io"}
    assert {rule.resource for rule in ROLES["herasphere-steps"]} == {"workflowtaskresults"}


def test_people_read_one_secret_and_no_other() -> None:
    of_secrets = [rule for rule in ROLES["herasphere-operator"] if rule.resource == "secrets"]
    assert [rule.names for rule in of_secrets if "get" in rule.verbs] == [("herasphere-media",)]
    assert not any({"list", "watch"} & set(rule.verbs) for rule in of_secrets)


def test_what_was_chosen_once_holds_until_another_choice() -> None:
    before = remembered(Settings(media_address="10.0.0.9", media_port=9090, media_node=("a=b",)))
    again = chosen({"namespace": "herasphere", "media_port": 8080}, before)
    assert (again.media_address, again.media_port, again.media_node) == ("10.0.0.9", 8080, ("a=b",))
    assert remembered(chosen({}, before)) == before


def test_the_deployment_remembers_what_was_chosen_and_not_what_was_found() -> None:
    found = Settings(expose="loadbalancer", found_address="10.0.0.7", pinned="x@sha256:1")
    deployment = next(each for each in objects(found) if each["kind"] == "Deployment")
    assert json.loads(last_settings(deployment)) == {"version": VERSION, "expose": "loadbalancer"}
    assert last_settings(None) == ""


@pytest.mark.parametrize("before", ["", "{", "[]", '{"unknown": 1}'])
def test_what_somebody_wrote_there_by_hand_is_passed_over(before: str) -> None:
    assert chosen({}, before) == Settings()


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
        {"expose": "never"},
        {"storage_class": "A B"},
        {"pull_secret": "A"},
    ],
)
def test_a_bad_choice_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="--"):
        chosen(given)


def test_all_bad_choices_are_told_at_once() -> None:
    with pytest.raises(Unsupported) as refusal:
        chosen({"media_port": 0, "storage_size": "lots"})
    assert "--media-port 0" in str(refusal.value) and "--storage-size" in str(refusal.value)


def test_an_image_of_another_version_is_not_taken_over() -> None:
    before = json.dumps({"version": "0.0.1", "image": "registry.example/runner:0.0.1"})
    assert chosen({}, before).image == f"registry.example/runner:{VERSION}"
    unclear = json.dumps({"version": "0.0.1", "image": "registry.example/runner:latest"})
    with pytest.raises(Refused, match="--image"):
        chosen({}, unclear)
    assert chosen({"image": "mine:2"}, unclear).image == "mine:2"
