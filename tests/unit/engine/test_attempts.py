"""Retries, deadlines, and the ways in which a process can end."""

import pytest
from hera.workflows import Steps, Workflow

from tests.unit.engine.example_steps import fail_at_first, hang, write_nothing
from tests.unit.engine.running import Site, node, phases, step

PAST = "Pod was active on the node longer than the specified deadline"


def _failing(kind: str, site: Site, **given: str) -> Workflow:
    with Workflow(name="w", entrypoint="main") as workflow, Steps(name="main"):
        step(fail_at_first, "try", file=str(site.notes), kind=kind, **given)
    return workflow


def test_what_passes_by_itself_is_tried_again(site: Site) -> None:
    root = site.run(_failing("unavailable", site, times="2")).root

    assert len(site.lines()) == 3
    assert phases(root) | {"try": "Succeeded", "try(0)": "Failed", "try(1)": "Failed"} == phases(root)
    assert node(root, "try")["type"] == "Retry"
    assert node(root, "try(0)")["outputs"]["exitCode"] == "75"
    assert node(root, "try")["outputs"]["exitCode"] == node(root, "try(2)")["outputs"]["exitCode"] == "0"


def test_an_attempt_knows_its_number(site: Site) -> None:
    workflow = _failing("unavailable", site, times="2").to_dict()
    (template,) = [each for each in workflow["spec"]["templates"] if "script" in each]
    template["script"]["env"].append({"name": "VARIABLE", "value": "attempt {{retries}}"})
    template["script"]["args"][-1] = "tests.unit.engine.example_steps:note_variable"
    site.run(workflow)
    assert site.lines() == ["attempt 0", "attempt 1", "attempt 2", "attempt 3"]


def test_it_is_tried_again_no_more_often_than_the_limit(site: Site) -> None:
    root = site.run(_failing("unavailable", site)).root

    assert len(site.lines()) == 4
    assert (node(root, "try")["phase"], node(root, "try")["message"]) == ("Failed", "No more retries left")


@pytest.mark.parametrize(("kind", "code"), [("conflict", "11"), ("bug", "70"), ("9", "9"), ("255", "255")])
def test_what_does_not_pass_is_tried_once(site: Site, kind: str, code: str) -> None:
    root = site.run(_failing(kind, site)).root

    assert len(site.lines()) == 1
    assert node(root, "try")["message"] == "retryStrategy.expression evaluated to false"
    assert node(root, "try(0)")["outputs"]["exitCode"] == code


def test_a_killed_process_is_failed_with_137_as_on_argo(site: Site) -> None:
    root = site.run(_failing("killed", site)).root

    attempt = node(root, "try(0)")
    assert (attempt["phase"], attempt["message"]) == ("Failed", "main: Error (exit code 137)")
    assert len(site.lines()) == 1  # 137 is not 75


def test_the_expression_may_want_killed_ones_again(site: Site) -> None:
    workflow = _failing("killed", site, times="1").to_dict()
    (template,) = [each for each in workflow["spec"]["templates"] if "script" in each]
    template["retryStrategy"]["expression"] = "asInt(lastRetry.exitCode) > 128 && lastRetry.status != 'Error'"
    assert site.run(workflow).root["status"]["phase"] == "Succeeded"
    assert len(site.lines()) == 2


def test_a_process_that_nobody_saw_end_is_an_error_and_tried_again(site: Site) -> None:
    """The server that forks goes away, as a node with its pods would."""
    root = site.run(_failing("lost", site, times="1")).root

    first = node(root, "try(0)")
    assert (first["phase"], first["message"], first.get("outputs")) == ("Error", "pod deleted", None)
    assert node(root, "try(1)")["phase"] == root["status"]["phase"] == "Succeeded"


@pytest.mark.parametrize(
    ("mounted", "where"),
    [("/tmp", "/mainctrfs"), ("/tmp/hera", "/var/run/argo/outputs/parameters")],
)
def test_an_output_that_is_not_written_is_an_error_that_says_where_argo_looks(
    site: Site, mounted: str, where: str
) -> None:
    with Workflow(name="w", entrypoint="main") as built, Steps(name="main"):
        step(write_nothing, name="a")
    workflow = built.to_dict()
    (template,) = [each for each in workflow["spec"]["templates"] if "script" in each]
    template["script"]["volumeMounts"] = [{"name": "v", "mountPath": mounted}]
    workflow["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    ended = node(site.run(workflow).root, "write-nothing")

    path = f"{where}/tmp/hera-outputs/parameters/names"
    assert ended["phase"] == "Error"
    assert ended["message"] == f"wait: Error (exit code 64): open {path}: no such file or directory"


def test_a_policy_that_is_for_errors_only_leaves_failures(site: Site) -> None:
    workflow = _failing("unavailable", site).to_dict()
    (template,) = [each for each in workflow["spec"]["templates"] if "script" in each]
    template["retryStrategy"] = {"limit": 5, "retryPolicy": "OnError"}
    root = site.run(workflow).root
    assert len(site.lines()) == 1
    assert node(root, "try")["message"] == node(root, "try(0)")["message"]


def test_backoff_is_waited_out_and_ends_with_the_longest_time(site: Site) -> None:
    workflow = _failing("unavailable", site).to_dict()
    (template,) = [each for each in workflow["spec"]["templates"] if "script" in each]
    backoff = {"duration": "1s", "factor": 1000, "maxDuration": "30s"}
    template["retryStrategy"] = {"limit": 5, "retryPolicy": "Always", "backoff": backoff}
    root = site.run(workflow).root

    assert len(site.lines()) == 2  # one second, then a thousand
    assert node(root, "try")["message"] == "Backoff would exceed max duration limit"
    first, second = node(root, "try(0)"), node(root, "try(1)")
    assert second["startedAt"] > first["finishedAt"]


def test_a_step_past_its_deadline_is_ended(site: Site) -> None:
    with Workflow(name="w", entrypoint="main") as workflow, Steps(name="main"):
        step(hang, name="x")
    ended = node(site.run(workflow).root, "hang")
    assert ended["phase"] == "Failed"
    assert ended["message"] == PAST


def test_a_workflow_past_its_deadline_is_ended(site: Site) -> None:
    with Workflow(name="w", entrypoint="main", active_deadline_seconds=1) as workflow, Steps(name="main"):
        step(hang, name="x")
        step(hang, "after", name="x")
    manifest = workflow.to_dict()
    for template in manifest["spec"]["templates"]:
        template.pop("activeDeadlineSeconds", None)
    root = site.run(manifest).root
    assert (node(root, "hang")["phase"], node(root, "hang")["message"]) == ("Failed", PAST)
    assert "after" not in phases(root)
    assert root["status"]["phase"] == "Failed"
