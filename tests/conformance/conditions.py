"""Cases of what runs and what is left out: when, suspended steps, the tasks of a DAG."""

from hera.workflows import DAG, Parameter, Step, Steps, Suspend, Task, Workflow

from tests.conformance.case import case, step
from tests.conformance.example_steps import end, greet, leave_with_retry, list_hosts, take_a_while
from tests.conformance.parameters import text
from workflows.defaults import SCRATCH


@case(
    phase="Succeeded",
    phases={"taken": "Succeeded", "left": "Skipped", "each(0:x)": "Skipped", "each(1:y)": "Succeeded"},
    messages={
        "left": "when ''true' != 'true' || 3 > 5' evaluated false",
        "each(0:x)": "when ''x' == 'y'' evaluated false",
    },
)
def when(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main") as steps:
        step(greet, name="ANA")
        loud = "{{steps.greet.outputs.parameters.is-loud}}"
        with steps.parallel():
            step(greet, "taken", name="a", when=f"'{loud}' == 'true'")
            step(greet, "left", name="a", when=f"'{loud}' != 'true' || 3 > 5")
            step(greet, "each", name="{{item}}", with_items=["x", "y"], when="'{{item}}' == 'y'")
    return workflow


@case(
    phase="Succeeded",
    phases={"is-empty": "Succeeded", "is-true": "Skipped", "not-empty": "Skipped", "both": "Skipped"},
    messages={
        "is-true": "when ''' == 'true'' evaluated false",
        "not-empty": "when ''' != ''' evaluated false",
        "both": "when ''3' == '3' && '' == 'x'' evaluated false",
    },
)
def when_a_value_is_empty(name: str) -> Workflow:
    arguments = [Parameter(name="x", value="")]
    x = "'{{workflow.parameters.x}}'"
    with Workflow(name=name, entrypoint="main", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, "is-empty", name="a", when=f"{x} == ''")
        step(greet, "is-true", name="a", when=f"{x} == 'true'")
        step(greet, "not-empty", name="a", when=f"{x} != ''")
        step(greet, "both", name="a", when=f"'3' == '3' && {x} == 'x'")
    return workflow


@case(
    phase="Succeeded",
    phases={"fan(0:name:h1,serial:H1)": "Skipped", "fan(1:name:h2,serial:H2)": "Succeeded"},
    messages={"fan(0:name:h1,serial:H1)": "when ''H1' != 'H1'' evaluated false"},
)
def when_of_objects(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        hosts = step(list_hosts, "hosts", names="h1 h2").get_parameter("hosts")
        step(greet, "fan", with_param=hosts, name="{{item.name}}", when="'{{item.serial}}' != 'H1'")
    return workflow


@case(
    phase="Succeeded",
    phases={"approve": "Skipped", "greet": "Succeeded"},
    messages={"approve": "when ''false' == 'true'' evaluated false"},
)
def approval_left_out(name: str) -> Workflow:
    arguments = [Parameter(name="ask", value="false")]
    with Workflow(name=name, entrypoint="main", arguments=arguments) as workflow:
        approval = Suspend(name="approve")
        with Steps(name="main"):
            Step(name="approve", template=approval, when="'{{workflow.parameters.ask}}' == 'true'")
            step(greet, name="a")
    return workflow


@case(
    phase="Succeeded",
    phases={"call": "Succeeded", "fan(0:x)": "Succeeded", "fan(1:y)": "Succeeded"},
    names={
        "nested-steps": "nested-steps",
        "nested-steps[0]": "[0]",
        "nested-steps[0].call": "call",
        "nested-steps[0].call[0]": "[0]",
        "nested-steps[0].call[0].greet": "greet",
        "nested-steps[0].call[1]": "[1]",
        "nested-steps[0].call[1].fan(0:x)": "fan(0:x)",
        "nested-steps[0].call[1].fan(1:y)": "fan(1:y)",
        "nested-steps[1]": "[1]",
        "nested-steps[1].after": "after",
    },
)
def nested_steps(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="outer") as workflow:
        with Steps(name="inner"):
            step(greet, name="a")
            step(greet, "fan", with_items=["x", "y"], name="{{item}}")
        with Steps(name="outer"):
            Step(name="call", template="inner")
            step(greet, "after", name="a")
    return workflow


@case(
    phase="Failed",
    phases={"first": "Succeeded", "bad": "Failed", "healed": "Succeeded", "never": "Omitted"},
    messages={"never": "omitted: depends condition not met"},
)
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


@case(
    phase="Failed",
    phases={
        "bad": "Failed",
        "left": "Skipped",
        "after-failure": "Succeeded",
        "after-success": "Omitted",
        "after-skipped": "Succeeded",
        "after-left": "Succeeded",
        "after-either": "Succeeded",
    },
)
def dag_depends(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, DAG(name="main"):
        step(end, "bad", code="3")
        step(greet, "left", name="a", when="'a' == 'b'")
        for called, depends in {
            "after-failure": "bad.Failed",
            "after-success": "bad.Succeeded",
            "after-skipped": "left.Skipped && !bad.Succeeded",
            "after-left": "left",
            "after-either": "bad.Succeeded || left.Skipped",
        }.items():
            task: Task = step(greet, called, name="a", times="1")
            task.depends = depends
    return workflow


@case(
    phase="Failed",
    phases={"bad": "Failed", "begun": "Succeeded", "next": "Succeeded", "last": "Succeeded"},
)
def dag_whose_other_branch_goes_on(name: str) -> Workflow:
    """In spite of failFast, which is the default."""
    with Workflow(name=name, entrypoint="main") as workflow, DAG(name="main"):
        step(end, "bad", code="3")
        begun: Task = step(take_a_while, "begun")
        following: Task = step(greet, "next", name="a")
        last: Task = step(greet, "last", name="a")
        begun >> following
        following >> last
    return workflow


@case(phase="Failed", phases={"a": "Failed", "b": "Error"})
def dag_takes_the_first_targets_phase(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", volumes=[SCRATCH]) as workflow, DAG(name="main"):
        step(leave_with_retry, "b", code="0")
        step(end, "a", code="3")
    return workflow


@case(
    phase="Succeeded",
    phases={"fan": "Succeeded", "fan(0:a)": "Succeeded", "fan(1:b)": "Succeeded"},
    outputs={"all": text('["a","b"]')},
)
def dag_fan_out(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, DAG(name="main"):
        fan: Task = step(greet, "fan", with_items=["a", "b"], name="{{item}}", times="1")
        all_: Task = step(greet, "all", name="{{tasks.fan.outputs.parameters.text}}", times="1")
        fan >> all_
    return workflow
