"""Steps, fan-outs, DAGs, outputs and conditions run as Argo runs them."""

import itertools
from typing import Any

import pytest
from hera.workflows import DAG, Parameter, Step, Steps, Task, Workflow
from hera.workflows.models import ValueFrom

from tests.unit.engine.example_steps import (
    fail_at_first,
    greet,
    leave_process_behind,
    list_names,
    look_around,
    note,
    shout,
)
from tests.unit.engine.running import Site, node, outputs, phases, step
from tests.unit.engine.waiting import is_alive, until
from workflows.backends.local.walk import Walk


def test_input_and_output_travel_through_heras_runner(site: Site) -> None:
    arguments = [Parameter(name="who", value="ana")]
    with Workflow(name="hello", entrypoint="main", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, name="{{workflow.parameters.who}}", times="3")
        step(greet, "again", name="{{steps.greet.outputs.parameters.text}}")
    root = site.run(workflow).root

    assert root["status"]["phase"] == "Succeeded"
    assert outputs(node(root, "greet")) == {"text": "ana ana ana", "is-loud": "false"}
    assert outputs(node(root, "again"))["text"] == "ana ana ana ana ana ana"  # `times` took its default
    assert phases(root) == dict.fromkeys(["hello", "[0]", "greet", "[1]", "again"], "Succeeded")


def test_nodes_are_named_and_linked_as_on_argo(site: Site) -> None:
    with Workflow(name="w", entrypoint="main") as workflow, Steps(name="main"):
        step(greet, "first", name="a")
        step(greet, "second", name="b")
    nodes = site.run(workflow).root["status"]["nodes"]

    assert nodes["w"]["type"] == "Steps"
    by_name = {each["name"]: each for each in nodes.values()}
    assert sorted(by_name) == ["w", "w[0]", "w[0].first", "w[1]", "w[1].second"]
    assert by_name["w[0].first"]["id"] == "w-3258681464"  # FNV-1a of the name, as Argo's
    assert by_name["w[0].first"]["boundaryID"] == "w"
    chain = ["w", "w[0]", "w[0].first", "w[1]", "w[1].second"]
    for name, after in itertools.pairwise(chain):
        assert by_name[name]["children"] == [by_name[after]["id"]]


def test_fan_out_over_a_list_gives_a_list_of_outputs(site: Site) -> None:
    with Workflow(name="fan", entrypoint="main") as workflow, Steps(name="main"):
        names = step(list_names, "names", names="ana ben")
        step(greet, "each", with_param=names.result, name="{{item}}", times="1")
        step(greet, "all", name="{{steps.each.outputs.parameters.text}}", times="1")
    root = site.run(workflow).root

    assert phases(root)["each(0:ana)"] == phases(root)["each(1:ben)"] == "Succeeded"
    assert node(root, "names")["outputs"]["result"] == '["ana", "ben"]'
    assert outputs(node(root, "all"))["text"] == '["ana","ben"]'
    assert "result" not in node(root, "each(0:ana)")["outputs"]  # nobody reads it


def test_items_may_be_objects(site: Site) -> None:
    items = [{"name": "esx01", "times": 1}, {"name": "ESX02", "times": 2}]
    manifest = _fan_out("{{item.name}}", "{{item.times}}", items)
    root = site.run(manifest).root

    assert outputs(node(root, "each(0:name:esx01,times:1)")) == {"text": "esx01", "is-loud": "false"}
    assert outputs(node(root, "each(1:name:ESX02,times:2)")) == {"text": "ESX02 ESX02", "is-loud": "true"}


def test_a_fan_out_over_nothing_is_skipped(site: Site) -> None:
    with Workflow(name="none", entrypoint="main") as workflow, Steps(name="main"):
        names = step(list_names, "names", names="")
        step(greet, "each", with_param=names.result, name="{{item}}")
    root = site.run(workflow).root

    assert root["status"]["phase"] == "Succeeded"
    assert (node(root, "each")["phase"], node(root, "each")["message"]) == ("Skipped", "Skipped, empty params")


def test_a_false_when_skips_the_step(site: Site) -> None:
    with Workflow(name="when", entrypoint="main") as workflow, Steps(name="main") as steps:
        step(greet, "loud", name="ANA")
        with steps.parallel():
            loud = "{{steps.loud.outputs.parameters.is-loud}}"
            step(greet, "yes", when=f"{loud} == true", name="a")
            step(greet, "no", when=f"{loud} != true && '{loud}' != ''", name="b")
    root = site.run(workflow).root

    assert phases(root) | {"yes": "Succeeded", "no": "Skipped"} == phases(root)
    assert node(root, "no")["message"] == "when 'true != true && 'true' != ''' evaluated false"
    assert [e.phase for e in site.events if e.node == "no" and e.kind == "node-finished"] == ["Skipped"]


def test_an_output_without_a_file_takes_its_default_and_without_one_is_an_error(site: Site) -> None:
    with Workflow(name="out", entrypoint="main") as workflow, Steps(name="main"):
        step(note, file=str(site.notes), line="x")
    manifest = workflow.to_dict()
    (script,) = [each for each in manifest["spec"]["templates"] if each["name"] == "note"]
    source = {"path": "/tmp/hera-outputs/parameters/left", "default": "nothing"}
    script["outputs"] = {"parameters": [{"name": "left", "valueFrom": source}]}
    assert outputs(node(site.run(manifest).root, "note")) == {"left": "nothing"}

    del source["default"]
    manifest["metadata"]["name"] = "out-again"
    root = site.run(manifest).root
    assert node(root, "note")["phase"] == "Error"
    assert root["status"]["phase"] == "Failed"


def test_a_failed_step_ends_its_template_after_its_group(site: Site) -> None:
    with Workflow(name="broken", entrypoint="main") as workflow, Steps(name="main") as steps:
        with steps.parallel():
            step(fail_at_first, "bad", file=str(site.notes), kind="conflict")
            step(greet, "beside", name="a")
        step(greet, "after", name="b")
    root = site.run(workflow).root

    assert root["status"]["phase"] == "Failed"
    assert root["status"]["message"] == f"child '{node(root, 'bad')['id']}' failed"
    assert "after" not in phases(root)
    assert phases(root)["beside"] == "Succeeded"
    attempt = node(root, "bad(0)")
    assert attempt["message"] == "main: Error (exit code 11): here: somebody else has it (hint: ask them)"
    (fault,) = [event for event in site.events if event.kind == "fault"]
    assert (fault.text, fault.hint, fault.exit_code, fault.node) == ("somebody else has it", "ask them", 11, "bad(0)")


def test_dag_runs_tasks_as_their_dependencies_allow(site: Site) -> None:
    with Workflow(name="dag", entrypoint="main") as workflow, DAG(name="main"):
        first: Task = step(greet, "first", name="a")
        left: Task = step(fail_at_first, "left", file=str(site.notes), kind="conflict")
        right: Task = step(greet, "right", name="{{tasks.first.outputs.parameters.text}}")
        healed: Task = step(greet, "healed", name="c")
        first >> [left, right]
        left.on_failure(healed)
        never: Task = step(greet, "never", name="d")
        left >> never
    root = site.run(workflow).root

    wanted = {"first": "Succeeded", "left": "Failed", "right": "Succeeded", "healed": "Succeeded", "never": "Omitted"}
    assert {name: phases(root)[name] for name in wanted} == wanted
    assert outputs(node(root, "right"))["text"] == "a a a a"
    assert root["status"]["phase"] == "Failed"  # `never` ends the branch of the failed task
    assert node(root, "never")["message"] == "omitted: depends condition not met"


def test_dag_fans_out_below_a_task_group_and_hands_up_outputs(site: Site) -> None:
    with Workflow(name="dag", entrypoint="outer") as workflow:
        source = ValueFrom(parameter="{{tasks.each.outputs.parameters.text}}")
        with DAG(name="inner", outputs=[Parameter(name="texts", value_from=source)]):
            step(greet, "each", with_items=["a", "b"], name="{{item}}", times="1")
        with Steps(name="outer"):
            Step(name="call", template="inner")
            step(greet, "all", name="{{steps.call.outputs.parameters.texts}}", times="1")
    root = site.run(workflow).root

    assert node(root, "each")["type"] == "TaskGroup"
    assert phases(root)["each(1:b)"] == "Succeeded"
    assert outputs(node(root, "all"))["text"] == '["a","b"]'


def test_a_step_has_its_own_process_group_environment_and_folder(site: Site) -> None:
    with Workflow(name="around", entrypoint="main") as workflow, Steps(name="main"):
        step(look_around, name="x")
    seen = outputs(node(site.run(workflow).root, "look-around"))

    assert seen["group_is_own"] == "true"
    assert seen["variable"] == "set in the manifest"
    assert seen["cold"] == "false"
    assert seen["working_folder"] == str(site.folder / "around" / "0-.look-around")


def test_what_a_step_leaves_behind_ends_with_it(site: Site) -> None:
    with Workflow(name="left", entrypoint="main") as workflow, Steps(name="main"):
        step(leave_process_behind, name=str(site.notes))
    assert site.run(workflow).root["status"]["phase"] == "Succeeded"

    pid = int(site.notes.read_text())
    until(lambda: not is_alive(pid), "the process left behind is gone")


def test_events_tell_the_story_in_order(site: Site) -> None:
    labels = {"herasphere/run": "r", "herasphere/host": "h"}
    with Workflow(name="told", entrypoint="main", labels=labels) as workflow, Steps(name="main"):
        step(greet, name="ana")
    site.run(workflow)

    told = [(event.kind, event.node, event.text) for event in site.events]
    assert told == [
        ("workflow-started", "", ""),
        ("node-started", "greet", ""),
        ("say", "greet", "greeting ana"),
        ("progress", "greet", "half way"),
        ("log", "greet", "a line on stderr"),
        ("node-finished", "greet", ""),
        ("workflow-finished", "", ""),
    ]
    assert {(event.run, event.host, event.workflow) for event in site.events} == {("r", "h", "told")}
    assert site.events[3].percent == 50
    assert (site.events[5].phase, site.events[5].exit_code) == ("Succeeded", 0)


def _fan_out(name: str, times: str, items: list[Any]) -> dict[str, Any]:
    """Hera builds no withItems of objects for a step with an Input class."""
    with Workflow(name="objects", entrypoint="main") as workflow, Steps(name="main"):
        step(greet, "each", name=name, times=times)
    manifest: dict[str, Any] = workflow.to_dict()
    (main,) = [each for each in manifest["spec"]["templates"] if each["name"] == "main"]
    main["steps"][0][0]["withItems"] = items
    return manifest


def test_results_that_are_no_json_spoil_only_what_would_read_them(site: Site) -> None:
    """Argo makes a list of the results of a fan-out, and each must be JSON for that."""
    for kind in (Steps, DAG):
        name = kind.__name__.lower()
        with Workflow(name=name, entrypoint="main") as workflow, kind(name="main"):
            first = step(shout, "each", with_items=["a", "b"], name="{{item}}")
            prefix = "steps" if kind is Steps else "tasks"
            second = step(greet, "after", name=f"{{{{{prefix}.each.outputs.result}}}}")
            if kind is DAG:
                first >> second
        root = site.run(workflow).root
        assert root["status"]["phase"] in ("Failed", "Error")
        assert phases(root)["each(0:a)"] == "Succeeded"
        assert "a result of a fan-out is no JSON" in str(root["status"]["nodes"])
        assert not (site.folder / name / "engine-error.log").exists()


def test_a_defect_of_the_engine_is_an_error_and_the_exit_handler_still_runs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Walk, template: dict[str, Any], *_: Any) -> None:
        if template["name"] == "main":
            raise LookupError("a defect")

    monkeypatch.setattr(Walk, "hand_up_outputs", broken)
    with Workflow(name="w", entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(greet, name="a")
        with Steps(name="bye"):
            step(note, file=str(site.notes), line="bye {{workflow.status}}")
    root = site.run(workflow).root
    assert site.lines() == ["bye Error"]
    assert root["status"]["message"] == "the local engine failed: LookupError: a defect"
    assert "LookupError" in (site.folder / "w" / "engine-error.log").read_text()
