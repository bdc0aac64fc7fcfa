"""Small workflows and what becomes of them, on Argo and on the local engine alike.

A case states phases and outputs of nodes by display name; nodes that are not named may be as they are. Messages are
compared without blanks at their ends: Argo keeps the newline of a termination message.
`argo` says where it comes from: "measured" on Argo 4.0.2 with a workflow of the same shape, or "read" in its source.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hera.workflows import DAG, Parameter, Step, Steps, Task, Workflow
from hera.workflows.models import ValueFrom

from tests.conformance.example_steps import end, end_with_retry, greet, list_hosts

AWAY = "main: Error (exit code 75): here: the peer is away (hint: wait)"
TAKEN = "main: Error (exit code 11): here: somebody else has it (hint: ask them)"


@dataclass(frozen=True)
class Case:
    """A workflow, its phase, and of its nodes by display name: phase, message, outputs (all parameters)."""

    name: str
    build: Callable[[str], Workflow]
    phase: str
    phases: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    argo: str = "read"  # or "measured"


def step(function: Any, called: str = "", /, **given: Any) -> Any:
    """Call a step inside a Workflow; when, with_items and with_param are Hera's, the others the step's arguments."""
    own = {key: given.pop(key) for key in ("when", "with_items", "with_param") if key in given}
    return function(arguments=given, **({"name": called} if called else {}), **own)


def inputs_and_outputs(name: str) -> Workflow:
    arguments = [Parameter(name="who", value="ana")]
    with Workflow(name=name, entrypoint="main", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, name="{{workflow.parameters.who}}", times="3")
        step(greet, "again", name="{{steps.greet.outputs.parameters.text}}", times="1")
    return workflow


def output_default(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="outer") as workflow:
        source = ValueFrom(parameter="{{steps.greet.outputs.parameters.text}}")
        with Steps(name="inner", outputs=[Parameter(name="handed-up", value_from=source)]):
            step(greet, name="a", times="1")
        with Steps(name="outer"):
            Step(name="call", template="inner")
            step(greet, name="{{steps.call.outputs.parameters.handed-up}}", times="2")
    return workflow


def fan_out_over_objects(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        hosts = step(list_hosts, "hosts", names="h1 h2")
        step(greet, "fan", with_param=hosts.get_parameter("hosts"), name="{{item.name}}/{{item.serial}}", times="1")
    return workflow


def fan_out_over_a_result(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        hosts = step(list_hosts, "hosts", names="x1 x2")
        step(greet, "fan", with_param=hosts.result, name="{{item}}", times="1")
        step(greet, "all", name="{{steps.fan.outputs.parameters.text}}", times="1")
    return workflow


def fan_out_over_nothing(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        hosts = step(list_hosts, "hosts", names="")
        step(greet, "fan", with_param=hosts.get_parameter("hosts"), name="{{item.name}}", times="1")
    return workflow


def when(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main") as steps:
        step(greet, name="ANA")
        loud = "{{steps.greet.outputs.parameters.is-loud}}"
        with steps.parallel():
            step(greet, "taken", name="a", when=f"'{loud}' == 'true'")
            step(greet, "left", name="a", when=f"'{loud}' != 'true' || 3 > 5")
            step(greet, "each", name="{{item}}", with_items=["x", "y"], when="'{{item}}' == 'y'")
    return workflow


def retried_until_the_limit(name: str) -> Workflow:
    return _one(name, end_with_retry, 75)


def not_retried(name: str) -> Workflow:
    return _one(name, end_with_retry, 11)


def fails_without_retry(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main") as steps:
        with steps.parallel():
            step(end, "bad", code="3")
            step(greet, "beside", name="a")
        step(greet, "after", name="a")
    return workflow


def exit_handler_after_failure(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(end, "bad", code="11")
        with Steps(name="bye"):
            step(greet, "status", name="{{workflow.status}}", times="1")
    return workflow


def exit_handler_fails(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(greet, name="a")
        with Steps(name="bye"):
            step(end, "bad", code="9")
    return workflow


def dag(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, DAG(name="main"):
        first: Task = step(greet, "first", name="a", times="1")
        bad: Task = step(end, "bad", code="3")
        healed: Task = step(greet, "healed", name="b", times="1")
        never: Task = step(greet, "never", name="c", times="1")
        first >> bad
        bad >> never
        bad.on_failure(healed)
    return workflow


def dag_fan_out(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, DAG(name="main"):
        fan: Task = step(greet, "fan", with_items=["a", "b"], name="{{item}}", times="1")
        all_: Task = step(greet, "all", name="{{tasks.fan.outputs.parameters.text}}", times="1")
        fan >> all_
    return workflow


def _one(name: str, function: Any, code: int) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        step(function, "try", code=str(code))
    return workflow


def _text(text: str, loud: str = "false") -> dict[str, str]:
    return {"text": text, "is-loud": loud}


CASES = [
    Case(
        "inputs-and-outputs",
        inputs_and_outputs,
        "Succeeded",
        phases={"[0]": "Succeeded", "greet": "Succeeded", "[1]": "Succeeded", "again": "Succeeded"},
        outputs={"greet": _text("ana ana ana"), "again": _text("ana ana ana")},
        argo="measured",
    ),
    Case(
        "outputs-handed-up",
        output_default,
        "Succeeded",
        outputs={"call": {"handed-up": "a"}},
    ),
    Case(
        "fan-out-over-objects",
        fan_out_over_objects,
        "Succeeded",
        outputs={"fan(0:name:h1,serial:H1)": _text("h1/H1"), "fan(1:name:h2,serial:H2)": _text("h2/H2")},
        argo="measured",
    ),
    Case(
        "fan-out-over-a-result",
        fan_out_over_a_result,
        "Succeeded",
        phases={"fan(0:x1)": "Succeeded", "fan(1:x2)": "Succeeded"},
        outputs={"all": _text('["x1","x2"]')},
        argo="measured",
    ),
    Case(
        "fan-out-over-nothing",
        fan_out_over_nothing,
        "Succeeded",
        phases={"fan": "Skipped"},
        messages={"fan": "Skipped, empty params"},
        argo="measured",
    ),
    Case(
        "when",
        when,
        "Succeeded",
        phases={"taken": "Succeeded", "left": "Skipped", "each(0:x)": "Skipped", "each(1:y)": "Succeeded"},
        messages={
            "left": "when ''true' != 'true' || 3 > 5' evaluated false",
            "each(0:x)": "when ''x' == 'y'' evaluated false",
        },
        argo="measured",
    ),
    Case(
        "retried-until-the-limit",
        retried_until_the_limit,
        "Failed",
        phases={"try": "Failed", "try(0)": "Failed", "try(1)": "Failed"},
        messages={"try": "No more retries left", "try(0)": AWAY, "try(1)": AWAY},
        absent=("try(2)",),
        argo="measured",
    ),
    Case(
        "not-retried",
        not_retried,
        "Failed",
        messages={"try": "retryStrategy.expression evaluated to false", "try(0)": TAKEN},
        absent=("try(1)",),
        argo="measured",
    ),
    Case(
        "fails-without-retry",
        fails_without_retry,
        "Failed",
        phases={"bad": "Failed", "beside": "Succeeded", "[0]": "Failed"},
        messages={"bad": "main: Error (exit code 3)"},
        absent=("after", "[1]"),
        argo="measured",
    ),
    Case(
        "exit-handler-after-failure",
        exit_handler_after_failure,
        "Failed",
        phases={"bad": "Failed", "exit-handler-after-failure.onExit": "Succeeded"},
        outputs={"status": _text("Failed")},
        argo="measured",
    ),
    Case(
        "exit-handler-fails",
        exit_handler_fails,
        "Failed",
        phases={"greet": "Succeeded", "bad": "Failed", "exit-handler-fails.onExit": "Failed"},
        argo="measured",
    ),
    Case(
        "dag",
        dag,
        "Failed",
        phases={"first": "Succeeded", "bad": "Failed", "healed": "Succeeded", "never": "Omitted"},
        messages={"never": "omitted: depends condition not met"},
    ),
    Case(
        "dag-fan-out",
        dag_fan_out,
        "Succeeded",
        phases={"fan": "Succeeded", "fan(0:a)": "Succeeded", "fan(1:b)": "Succeeded"},
        outputs={"all": _text('["a","b"]')},
    ),
]
