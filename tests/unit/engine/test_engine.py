"""Whole runs: exit handlers, children, locks, stop, and the limits of the machine."""

import json
import time
from typing import Any

import pytest
from hera.workflows import Parameter, Steps, Workflow
from hera.workflows.models import SecretVolumeSource, Volume, VolumeMount

from steps.domain.errors import NotFound, Refused, Unsupported
from tests.unit.engine.example_steps import (
    be_counted,
    fail_at_first,
    greet,
    look_around,
    look_at_secret,
    note,
)
from tests.unit.engine.family import child, parent
from tests.unit.engine.running import Site, node, outputs, phases, step
from workflows.backends.events import Event


def _with_exit(site: Site, kind: str) -> Workflow:
    with Workflow(name="w", entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(fail_at_first, "try", file=str(site.path / "tries"), kind=kind, times="0" if kind == "none" else "9")
        with Steps(name="bye"):
            step(note, file=str(site.notes), line="{{workflow.status}} {{workflow.failures}}")
    return workflow


def test_the_exit_handler_runs_after_success(site: Site) -> None:
    root = site.run(_with_exit(site, "none")).root

    assert site.lines() == ['Succeeded "null"']
    assert root["status"]["phase"] == "Succeeded"
    handler = node(root, "w.onExit")
    assert (handler["type"], handler["nodeFlag"], handler["phase"]) == ("Steps", {"hooked": True}, "Succeeded")


def test_the_exit_handler_learns_what_failed(site: Site) -> None:
    root = site.run(_with_exit(site, "conflict")).root

    status, _, failures = site.lines()[0].partition(" ")
    assert status == root["status"]["phase"] == "Failed"
    told = {each["displayName"]: each for each in json.loads(json.loads(failures))}  # Argo quotes the JSON once more
    assert set(told) == {"w", "[0]", "try", "try(0)"}
    assert told["try(0)"]["templateName"] == "fail-at-first"
    assert told["try(0)"]["message"].startswith("main: Error (exit code 11)")


def test_a_failing_exit_handler_fails_a_workflow_that_succeeded(site: Site) -> None:
    with Workflow(name="w", entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(greet, name="a")
        with Steps(name="bye"):
            step(fail_at_first, "try", file=str(site.notes), kind="conflict")
    root = site.run(workflow).root
    assert root["status"]["phase"] == "Failed"
    assert root["status"]["message"] == f"child '{node(root, 'try')['id']}' failed"


def test_what_nobody_calls_gets_the_workflows_arguments(site: Site) -> None:
    arguments = [Parameter(name="name", value="ana"), Parameter(name="other", value="x")]
    with Workflow(name="w", entrypoint="main", on_exit="greet", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, "first", name="a")
    root = site.run(workflow).root
    assert outputs(node(root, "w.onExit"))["text"] == "ana ana"
    assert node(root, "w.onExit")["nodeFlag"] == {"hooked": True}


def test_lists_of_parameters_are_written_as_argo_writes_them(site: Site) -> None:
    arguments = [Parameter(name="p", value="<1>", enum=["<1>", "2"], description="what"), Parameter(name="q", value="")]
    with Workflow(name="w", entrypoint="main", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, "fan", with_items=["a", "b"], name="{{item}}", times="1")
        step(greet, "outs", name="{{steps.fan.outputs.parameters}}", times="1")
        step(greet, "all", name="{{workflow.parameters}}", times="1")
    root = site.run(workflow).root
    told = '[{"is-loud":"false","text":"a"},{"is-loud":"false","text":"b"}]'
    assert outputs(node(root, "outs"))["text"] == told
    first = r'{"name":"p","value":"\u003c1\u003e","enum":["\u003c1\u003e","2"],"description":"what"}'
    assert outputs(node(root, "all"))["text"] == f'[{first},{{"name":"q","value":""}}]'


def test_a_step_creates_children_and_waits_for_them(site: Site) -> None:
    site.notes.touch()
    run = site.run(parent("a b c", notes=site.notes, until=site.notes), child())

    assert run.root["status"]["phase"] == "Succeeded"
    assert outputs(node(run.root, "roll-out"))["phases"] == "Succeeded Succeeded Succeeded"
    assert [child["metadata"]["name"] for child in run.children] == ["run-a", "run-b", "run-c"]
    assert {event.host for event in site.events if event.workflow == "run-b"} == {"b"}
    said = [event for event in site.events if event.text == "exists already"]
    assert len(said) == 3  # a second create of the same name is refused
    assert phases(run.children[0]) | {"run-a.onExit": "Succeeded"} == phases(run.children[0])


def test_a_mutex_is_held_until_the_exit_handler_has_ended_and_the_queue_is_kept(site: Site) -> None:
    site.notes.touch()
    run = site.run(parent("a b c", notes=site.notes, until=site.notes), child(mutex="serial"))

    assert run.root["status"]["phase"] == "Succeeded"
    assert site.lines()[:-1] == [f"{what} {name}" for name in "abc" for what in ("begin", "bye", "end")]
    waits = [event for event in site.events if event.kind == "workflow-waiting"]
    assert [(event.host, event.phase) for event in waits] == [("b", "Pending"), ("c", "Pending")]
    assert waits[0].text == "Waiting for default/Mutex/serial lock. Lock status: 0/1"


def test_a_listener_that_fails_stops_the_run_and_is_heard_of(site: Site) -> None:
    """As when the reader of a pipe goes away: the children are stopped, every exit handler runs."""

    def listen(event: Event) -> None:
        if event.kind == "node-started" and event.template == "wait-for-file":
            raise BrokenPipeError("nobody reads")

    site.listeners.append(listen)
    with pytest.raises(BrokenPipeError, match="nobody reads"):
        site.run(parent("a", notes=site.notes), child())

    assert {"bye a", "end a", "parent ends Failed"} <= set(site.lines())
    ended = json.loads((site.folder / "run-a" / "workflow.json").read_text())
    assert ended["status"]["phase"] == "Failed"
    assert ended["status"]["message"] == "Stopped with strategy 'Stop'"
    assert ended["spec"]["shutdown"] == "Stop"
    assert node(ended, "wait-for-file")["message"] == "workflow shutdown with strategy:  Stop"


def test_a_step_stops_the_children(site: Site) -> None:
    """The rollout fails, and the exit handler stops the children that it left."""
    run = site.run(parent("a b", notes=site.notes, leave=True, stops=True), child())

    assert [each["status"]["phase"] for each in run.children] == ["Failed", "Failed"]
    assert {each["status"]["message"] for each in run.children} == {"Stopped with strategy 'Stop'"}
    assert {"end a", "end b"} <= set(site.lines())
    assert site.lines()[-1] == "parent ends Failed"


def test_no_more_processes_than_allowed_live_at_once(site: Site) -> None:
    folder = site.path / "live"
    folder.mkdir()
    with Workflow(name="w", entrypoint="main") as workflow, Steps(name="main"):
        step(be_counted, with_items=[str(folder)] * 20, name="{{item}}")
    assert site.run(workflow, max_pods=2).root["status"]["phase"] == "Succeeded"

    counts = [int(line) for line in (folder / "counts").read_text().split()]
    assert len(counts) == 20
    assert max(counts) <= 2


def test_parallelism_of_a_workflow_limits_its_processes(site: Site) -> None:
    folder = site.path / "live"
    folder.mkdir()
    with Workflow(name="w", entrypoint="main", parallelism=1) as workflow, Steps(name="main"):
        step(be_counted, with_items=[str(folder)] * 6, name="{{item}}")
    assert site.run(workflow).root["status"]["phase"] == "Succeeded"
    assert set((folder / "counts").read_text().split()) == {"1"}


def test_many_steps_and_what_one_costs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    count = 200
    with Workflow(name="w", entrypoint="main") as workflow, Steps(name="main"):
        step(look_around, with_items=[str(n) for n in range(count)], name="{{item}}")
    begin = time.monotonic()
    root = site.run(workflow).root
    each_ms = 1000 * (time.monotonic() - begin) / count
    with capsys.disabled():
        print(f"\n{count} steps, {each_ms:.0f} ms each")
    pods = [each for each in root["status"]["nodes"].values() if each["type"] == "Pod"]
    assert [each["phase"] for each in pods] == ["Succeeded"] * count


SECRETS = Volume(name="secrets", secret=SecretVolumeSource(secret_name="bmc"))


def _secret_workflow(volume: Volume) -> dict[str, Any]:
    with Workflow(name="w", entrypoint="main", volumes=[volume]) as workflow, Steps(name="main"):
        step(look_at_secret, name="bmc", key="password")
    manifest: dict[str, Any] = workflow.to_dict()
    (template,) = [each for each in manifest["spec"]["templates"] if "script" in each]
    mount = VolumeMount(name="secrets", mount_path="/run/herasphere/secrets/bmc", read_only=True)
    template["script"]["volumeMounts"] = [mount.model_dump(by_alias=True, exclude_none=True)]
    return manifest


def test_a_step_sees_the_secrets_it_mounts_and_no_others(site: Site) -> None:
    for name, key in (("bmc", "password"), ("other", "key")):
        (site.secrets / name).mkdir()
        (site.secrets / name / key).write_text("Tr0ub4dor&3\n")
    root = site.run(_secret_workflow(SECRETS)).root

    assert outputs(node(root, "look-at-secret")) == {"secret": "11", "missing": "not readable"}
    kept = [path for path in site.folder.rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert not [path for path in kept if b"Tr0ub4dor" in path.read_bytes()]


def test_a_missing_secret_is_told_before_anything_starts(site: Site) -> None:
    with pytest.raises(NotFound, match="the secret bmc is missing"):
        site.run(_secret_workflow(SECRETS))
    assert site.events == []
    assert not site.folder.exists()


def test_what_the_engine_does_not_know_is_refused_before_anything_starts(site: Site) -> None:
    manifest = _with_exit(site, "none").to_dict()
    manifest["spec"]["templates"][0]["daemon"] = True
    manifest["spec"]["hooks"] = {"running": {"template": "main"}}
    with pytest.raises(Unsupported) as refusal:
        site.run(manifest)
    assert "spec.hooks" in str(refusal.value)
    assert "spec.templates[0].daemon" in str(refusal.value)
    assert site.events == []
    assert not site.folder.exists()


def test_a_template_which_a_child_might_use_is_refused_before_anything_starts(site: Site) -> None:
    template = child()
    template.parallelism = 3
    template.suspend = True
    with pytest.raises(Unsupported, match=r"WorkflowTemplate child: spec\.suspend"):
        site.run(_with_exit(site, "none"), template)
    assert site.events == []


def test_a_value_that_is_needed_is_asked_for(site: Site) -> None:
    with Workflow(name="w", entrypoint="main", arguments=[Parameter(name="p")]) as workflow, Steps(name="main"):
        step(greet, name="{{workflow.parameters.p}}")
    with pytest.raises(Unsupported, match=r"spec\.arguments: p needs a value"):
        site.run(workflow)


def test_too_few_processes_are_refused(site: Site) -> None:
    with pytest.raises(Refused, match="too few"):
        site.run(_with_exit(site, "none"), max_pods=1)


def test_the_run_folder_tells_everything(site: Site) -> None:
    with Workflow(generate_name="told-", entrypoint="main") as workflow, Steps(name="main"):
        step(greet, name="ana")
    root = site.run(workflow).root

    name = root["metadata"]["name"]
    assert name.startswith("told-")
    assert site.folder.stat().st_mode & 0o777 == 0o700
    folder = site.folder / name / "0-.greet"
    assert json.loads((folder / "inputs.json").read_text()) == [
        {"name": "name", "value": "ana"},
        {"name": "times", "value": "2"},
    ]
    assert "a line on stderr" in (folder / "log").read_text()
    kept = json.loads((folder / "outputs.json").read_text())
    assert kept["phase"] == "Succeeded"
    assert {"name": "text", "value": "ana ana"} in kept["outputs"]["parameters"]
    assert json.loads((folder / "times.json").read_text())["seconds"] > 0
    assert json.loads((site.folder / name / "workflow.json").read_text()) == root
