"""What the local engine does not understand is named with its path; what our steps need is let in."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hera.workflows import DAG, Parameter, Steps, Task, Workflow

from tests.unit.engine.example_steps import fail_at_first, greet, list_names
from tests.unit.engine.family import child
from tests.unit.engine.running import step
from workflows.backends.local import check
from workflows.backends.local.subset import ACCEPTED, SUPPORTED

Manifest = dict[str, Any]


def _good() -> Manifest:
    with Workflow(
        name="w", entrypoint="main", on_exit="bye", arguments=[Parameter(name="p", value="a", enum=["a", "b"])]
    ) as workflow:
        with Steps(name="main"):
            names = step(list_names, "names", names="{{workflow.parameters.p}}")
            step(greet, "each", with_param=names.result, name="{{item}}", when="'{{item}}' != 'x'")
            step(fail_at_first, "try", file="f")
        with Steps(name="bye"):
            step(greet, name="{{workflow.status}}")
        with DAG(name="unused"):
            first: Task = step(greet, "first", name="a")
            second: Task = step(greet, "second", name="{{tasks.first.outputs.parameters.text}}")
            first >> second
    manifest: Manifest = workflow.to_dict()
    return manifest


def _template(manifest: Manifest, name: str) -> Manifest:
    found: list[Manifest] = [each for each in manifest["spec"]["templates"] if each["name"] == name]
    return found[0]


def test_what_hera_renders_is_inside() -> None:
    assert check(_good()) == []
    assert check(child(mutex="m").to_dict()) == []


def test_the_lists_do_not_overlap() -> None:
    assert not SUPPORTED & ACCEPTED


Change = Callable[[Manifest], object]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda m: m.update(kind="CronWorkflow"), "kind: CronWorkflow cannot be run here"),
        (lambda m: m["spec"].update(suspend=True), "spec.suspend: the local engine does not know this field"),
        (lambda m: m["spec"].update(parallelism={"a": 1}), "spec.parallelism: a single value is expected here"),
        (lambda m: m["spec"].update(templates="x"), "spec.templates: an object or a list is expected here"),
        (lambda m: m["spec"].update(entrypoint="nowhere"), "spec.entrypoint: there is no template nowhere"),
        (lambda m: m["spec"].update(onExit="nowhere"), "spec.onExit: there is no template nowhere"),
        (lambda m: m["spec"]["arguments"]["parameters"][0].update(value="c"), "value: c is none of a, b"),
        (lambda m: _template(m, "greet").update(container={}), "container: the local engine does not know this field"),
        (lambda m: _template(m, "main").update(parallelism=2), "templates[0].parallelism: the local engine does not"),
        (lambda m: _template(m, "main").update(activeDeadlineSeconds=2), "only a script can have it"),
        (lambda m: _template(m, "greet")["script"].update(args=["-c", "print()"]), "only a script of Hera's runner"),
        (
            lambda m: _template(m, "greet")["script"].update(source="print()"),
            "script.source: only {{inputs.parameters}}",
        ),
        (
            lambda m: _template(m, "greet")["script"]["env"].append({"name": "A", "valueFrom": {"secretKeyRef": {}}}),
            "script.env[1].valueFrom: the local engine does not know this field",
        ),
        (
            lambda m: _template(m, "greet")["outputs"]["parameters"][0]["valueFrom"].update(path="/etc/hosts"),
            "outputs.parameters[0].valueFrom.path: must lie below /tmp/hera-outputs/",
        ),
        (
            lambda m: _template(m, "greet")["script"].update(volumeMounts=[{"name": "v", "mountPath": "/x"}]),
            "volumeMounts[0].name: there is no volume v",
        ),
        (
            lambda m: _template(m, "main")["steps"][0][0].update(hooks={"exit": {}}),
            "steps[0][0].hooks: the local engine",
        ),
        (
            lambda m: _template(m, "main")["steps"][0][0].update(template="x"),
            "steps[0][0].template: there is no template x",
        ),
        (
            lambda m: _template(m, "main")["steps"][1][0].update(when="{{item}} =~ x"),
            "steps[1][0].when: 'x =~ x' at posi",
        ),
        (lambda m: _arguments(m).append({"name": "nmae", "value": "x"}), "list-names has no input nmae"),
        (lambda m: _arguments(m).clear(), "list-names needs a value for names"),
        (
            lambda m: _arguments(m)[0].update(value="{{workflow.parameters.q}}"),
            "the tag {{workflow.parameters.q}} is unkn",
        ),
        (lambda m: _arguments(m)[0].update(value="{{item}}"), "the tag {{item}} is unknown here"),
        (lambda m: _arguments(m)[0].update(value="{{steps.each.status}}"), "the tag {{steps.each.status}} is unknown"),
        (lambda m: _arguments(m)[0].update(value="{{workflow.status}}"), "only templates of onExit alone know it"),
        (lambda m: _arguments(m)[0].update(value="{{=1+1}}"), "the tag {{=1+1}} is unknown here"),
        (
            lambda m: _template(m, "main")["steps"][0][0].update(when="'a' == 'b'"),
            "the tag {{steps.names.outputs.result}} is unknown here; an output is known of earlier steps without",
        ),
        (
            lambda m: _template(m, "fail-at-first")["retryStrategy"].update(expression="retries < 3"),
            "retryStrategy.expression: 'retries < 3' at position 1: retries is unknown here",
        ),
        (
            lambda m: _template(m, "greet")["script"]["env"].append({"name": "A", "value": "{{retries}}"}),
            "templates[2].script: the tag {{retries}} is unknown here",
        ),
        (
            lambda m: m["spec"].update(onExit="fail-at-first"),
            "spec.onExit: fail-at-first needs a value for file, and spec.arguments has none of that name",
        ),
        (
            lambda m: _template(m, "fail-at-first")["retryStrategy"].update(backoff={"duration": "soon"}),
            "backoff.duration: 'soon' is no duration",
        ),
        (
            lambda m: _template(m, "fail-at-first")["retryStrategy"].update(retryPolicy="OnTransientError"),
            "retryPolicy: OnTransientError is none of",
        ),
        (
            lambda m: _template(m, "unused")["dag"]["tasks"][0].update(depends="second"),
            "the task first waits for itself",
        ),
        (lambda m: _template(m, "unused")["dag"]["tasks"][1].update(depends="frist"), "there is no task frist"),
        (
            lambda m: _template(m, "main")["steps"].append([{"name": "again", "template": "main"}]),
            "spec.templates: main calls itself",
        ),
        (
            lambda m: m["spec"].update(onExit="unused"),
            "spec.onExit: unused is a DAG, which Argo gives up when the workf",
        ),
        (lambda m: m["spec"].update(workflowTemplateRef={"name": "t"}), "not together with workflowTemplateRef"),
    ],
)
def test_each_fault_is_named_with_its_path(change: Change, fault: str) -> None:
    manifest = copy.deepcopy(_good())
    change(manifest)
    assert fault in "\n".join(check(manifest))


def test_all_faults_are_named_at_once() -> None:
    manifest = _good()
    manifest["spec"] |= {"suspend": True, "hooks": {}, "priority": 3}
    assert len(check(manifest)) == 3


def _arguments(manifest: Manifest) -> list[Manifest]:
    found: list[Manifest] = _template(manifest, "main")["steps"][0][0]["arguments"]["parameters"]
    return found
