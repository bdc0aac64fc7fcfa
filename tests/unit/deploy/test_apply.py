"""Applying: a second time changes nothing, what will be refused is known before, what others settled stays."""

import json
from typing import Any

import pytest

from steps.domain.errors import AccessDenied, Conflict, NotFound, Refused, Unsupported
from tests.unit.deploy.api import Api
from workflows.deploy.apply import Change, apply, rehearsed, token
from workflows.deploy.kinds import KINDS
from workflows.deploy.objects import objects
from workflows.deploy.prune import left_over, remove
from workflows.deploy.running import refuse_disturbance
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

SETTINGS = Settings()
DEPLOYMENT = KINDS["Deployment"].path("herasphere", "herasphere-media")
SECRET = KINDS["Secret"].path("herasphere", "herasphere-media")
SWEEP = KINDS["CronWorkflow"].path("herasphere", "sweep")
CLAIM = KINDS["PersistentVolumeClaim"].path("herasphere", "herasphere-media")


def brought(server: Server, settings: Settings = SETTINGS) -> list[str]:
    return [change.done for change in (token(server, settings), *apply(server, objects(settings)))]


def changed(changes: list[Change]) -> list[str]:
    return [str(change) for change in changes if change.done == "changed"]


def test_a_second_time_changes_nothing(server: Server) -> None:
    assert set(brought(server)) == {"created"}
    assert set(brought(server)) == {"unchanged"}


def test_another_choice_changes_just_what_it_is_about(server: Server) -> None:
    brought(server)
    assert changed(list(apply(server, objects(Settings(media_address="10.0.0.9"))))) == ["Deployment/herasphere-media"]


def test_a_rehearsal_tells_the_same_and_leaves_nothing(server: Server, api: Api) -> None:
    brought(server)
    before = json.dumps(api.objects)
    assert changed(rehearsed(server, objects(Settings(media_port=9090)))) == ["Deployment/herasphere-media"]
    assert json.dumps(api.objects) == before


def test_in_a_namespace_that_is_not_there_all_is_created_and_little_is_asked(server: Server, api: Api) -> None:
    assert {change.done for change in rehearsed(server, objects(SETTINGS))} == {"created"}
    assert {path for method, path, _, _ in api.asked if method == "PATCH"} == {"/api/v1/namespaces/herasphere"}
    assert api.objects == {}


def test_what_others_note_about_an_object_is_no_change(server: Server, api: Api) -> None:
    brought(server)
    api.objects[DEPLOYMENT]["status"] = {"readyReplicas": 1}
    api.objects[DEPLOYMENT]["metadata"] |= {"generation": 7, "managedFields": [{"manager": "x"}]}
    assert set(brought(server)) == {"unchanged"}


def test_a_conflict_is_told_with_who_and_what_before_anything_is_applied(server: Server, api: Api) -> None:
    brought(server)
    told = 'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    api.refuse["PATCH", DEPLOYMENT] = (409, told)
    with pytest.raises(Conflict) as refusal:
        rehearsed(server, objects(SETTINGS))
    assert refusal.value.where == "Deployment/herasphere-media"
    assert 'conflict with "kubectl-edit" using apps/v1: .spec.replicas' in refusal.value.what
    assert "--take-over" in refusal.value.hint


def test_only_taking_over_is_forced(server: Server, api: Api) -> None:
    for take_over in (False, True):
        api.asked.clear()
        list(apply(server, objects(SETTINGS), take_over=take_over))
        patches = [query for method, _, query, _ in api.asked if method == "PATCH"]
        assert {query["force"] for query in patches} == {str(take_over).lower()}
        assert {query["fieldManager"] for query in patches} == {"herasphere"}


@pytest.mark.parametrize(
    ("status", "said", "error", "hint"),
    [
        (403, "x is forbidden: User cannot patch it", AccessDenied, "administrator"),
        (403, "x is forbidden: exceeded quota", AccessDenied, "another choice"),
        (404, "the server could not find it", NotFound, "install Argo"),
        (422, "x is invalid", Unsupported, "another choice"),
    ],
)
def test_other_refusals_name_the_object(
    server: Server, api: Api, status: int, said: str, error: type[Exception], hint: str
) -> None:
    api.put("/api/v1/namespaces/herasphere")
    api.refuse["PATCH", SWEEP] = (status, said)
    with pytest.raises(error, match=f"CronWorkflow/sweep.*{said}") as refusal:
        rehearsed(server, objects(SETTINGS))
    assert hint in str(refusal.value)


def test_the_token_is_made_once_and_never_read(server: Server, api: Api) -> None:
    assert token(server, SETTINGS).done == "created"
    made = api.objects[SECRET]["stringData"]["token"]
    assert token(server, SETTINGS).done == "unchanged"
    assert api.objects[SECRET]["stringData"]["token"] == made and len(made) > 40
    assert {method for method, path, _, _ in api.asked if "/secrets" in path} == {"POST"}


def test_a_schedule_that_people_suspended_or_resumed_stays_so(server: Server, api: Api) -> None:
    brought(server)
    api.objects[SWEEP]["spec"]["suspend"] = True
    assert set(brought(server)) == {"unchanged"}
    assert api.objects[SWEEP]["spec"]["suspend"] is True


def test_a_volume_keeps_its_class_and_what_it_has_grown_to(server: Server, api: Api) -> None:
    brought(server)
    spec = api.objects[CLAIM]["spec"]
    spec |= {"storageClassName": "fast", "resources": {"requests": {"storage": "1Ti"}}}
    assert set(brought(server)) == {"unchanged"}
    list(apply(server, objects(Settings(storage_size="2Ti", storage_class="slow"))))
    asked = [body["spec"] for method, path, _, body in api.asked if (method, path) == ("PATCH", CLAIM)][-1]
    assert asked["storageClassName"] == "slow", "it was asked for: the API server refuses it, aloud"
    assert asked["resources"]["requests"]["storage"] == "2Ti"


def older(kind: str, name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(next(each for each in objects(SETTINGS) if each["kind"] == kind)))
    made["metadata"]["name"] = name
    return made


def test_what_an_earlier_version_left_is_removed_but_no_data_and_nothing_of_people(server: Server, api: Api) -> None:
    brought(server)
    list(apply(server, [older("CronWorkflow", "old-schedule"), older("PersistentVolumeClaim", "old-data")]))
    api.put(KINDS["CronWorkflow"].path("herasphere", "peoples"), kind="CronWorkflow")
    left = left_over(server, objects(SETTINGS))
    assert [str(change) for change in left] == ["CronWorkflow/old-schedule"]
    remove(server, left)
    remove(server, left)
    assert left_over(server, objects(SETTINGS)) == []
    assert KINDS["CronWorkflow"].path("herasphere", "peoples") in api.objects


def test_data_is_removed_by_its_name_and_only_what_was_left(server: Server) -> None:
    brought(server)
    list(apply(server, [older("PersistentVolumeClaim", "old-data")]))
    named = left_over(server, objects(SETTINGS), ["PersistentVolumeClaim/old-data"])
    assert [str(change) for change in named] == ["PersistentVolumeClaim/old-data"]
    with pytest.raises(Refused, match="PersistentVolumeClaim/old-data"):
        left_over(server, objects(SETTINGS), ["PersistentVolumeClaim/herasphere-media"])


def test_the_token_is_none_of_what_earlier_versions_left(server: Server) -> None:
    brought(server)
    assert left_over(server, objects(SETTINGS)) == []
    with pytest.raises(Refused):
        left_over(server, objects(SETTINGS), ["Secret/herasphere-media"])


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (Change("Deployment", "herasphere-media", "changed"), True),
        (Change("WorkflowTemplate", "install-host", "changed"), True),
        (Change("WorkflowTemplate", "install-host", "unchanged"), False),
        (Change("WorkflowTemplate", "install-host", "created"), False),
        (Change("Role", "herasphere-operator", "changed"), False),
    ],
)
def test_a_run_that_is_under_way_is_not_reached_into(server: Server, api: Api, change: Change, refused: bool) -> None:
    api.put("/apis/argoproj.io/v1alpha1/namespaces/herasphere/workflows/install-hosts-abcde")
    if not refused:
        refuse_disturbance(server, [change])
        return
    with pytest.raises(Refused, match=r"install-hosts-abcde.*--while-running"):
        refuse_disturbance(server, [change])


def test_without_runs_nothing_is_in_the_way(server: Server, api: Api) -> None:
    refuse_disturbance(server, [Change("Deployment", "herasphere-media", "changed")])
    ((_, path, query, _),) = api.asked
    assert path.endswith("/workflows")
    assert query["labelSelector"].split(",")[:2] == ["workflows.argoproj.io/completed!=true", "!herasphere/host"]
