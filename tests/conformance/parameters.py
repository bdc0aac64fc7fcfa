"""Cases of what goes into steps and comes out of them: arguments, outputs, fan-outs, secrets."""

from hera.workflows import Parameter, Step, Steps, Workflow, WorkflowTemplate
from hera.workflows.models import ValueFrom, Volume, WorkflowTemplateRef

from steps.domain.children import secrets_volume
from steps.domain.host import SecretRef
from tests.conformance.case import Manifest, case, step
from tests.conformance.example_steps import greet, leave, list_hosts, read_secrets


def text(value: str, *, loud: bool = False) -> dict[str, str]:
    """The outputs of greet."""
    return {"text": value, "is-loud": "true" if loud else "false"}


@case(
    phase="Succeeded",
    phases={"[0]": "Succeeded", "greet": "Succeeded", "[1]": "Succeeded", "again": "Succeeded"},
    outputs={"greet": text("ana ana ana"), "again": text("ana ana ana")},
)
def inputs_and_outputs(name: str) -> Workflow:
    arguments = [Parameter(name="who", value="ana")]
    with Workflow(name=name, entrypoint="main", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, name="{{workflow.parameters.who}}", times="3")
        step(greet, "again", name="{{steps.greet.outputs.parameters.text}}", times="1")
    return workflow


@case(phase="Succeeded", outputs={"greet": text("slow slow")})
def a_parameter_with_choices(name: str) -> Workflow:
    pace = Parameter(name="pace", enum=["fast", "slow"], value="slow", description="how fast")
    with Workflow(name=name, entrypoint="main", arguments=[pace]) as workflow, Steps(name="main"):
        step(greet, name="{{workflow.parameters.pace}}")
    return workflow


@case(phase="Succeeded", outputs={"call": {"handed-up": "a"}, "greet": text("a a")})
def outputs_handed_up(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="outer") as workflow:
        source = ValueFrom(parameter="{{steps.first.outputs.parameters.text}}")
        with Steps(name="inner", outputs=[Parameter(name="handed-up", value_from=source)]):
            step(greet, "first", name="a", times="1")
        with Steps(name="outer"):
            Step(name="call", template="inner")
            step(greet, name="{{steps.call.outputs.parameters.handed-up}}", times="2")
    return workflow


@case(
    phase="Failed",
    phases={"leave": "Failed"},
    messages={"leave": "main: Error (exit code 3)"},
    outputs={"leave": {"text": "nothing"}},
)
def default_of_an_output_after_a_failure(name: str) -> Manifest:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        step(leave, code="3")
    return _with_default(workflow.to_dict(), "nothing")


@case(
    phase="Succeeded",
    outputs={"leave": {"text": "nothing"}, "greet": text("nothing nothing")},
)
def default_of_an_output_read_later(name: str) -> Manifest:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        step(leave, code="0")
        step(greet, name="{{steps.leave.outputs.parameters.text}}")
    return _with_default(workflow.to_dict(), "nothing")


def _with_default(manifest: Manifest, default: str) -> Manifest:
    """With a value for what `leave` does not write; Hera has no way to say it that leaves the path its own."""
    (template,) = [each for each in manifest["spec"]["templates"] if each["name"] == "leave"]
    template["outputs"]["parameters"][0]["valueFrom"]["default"] = default
    return manifest


@case(
    phase="Succeeded",
    outputs={"fan(0:name:h1,serial:H1)": text("h1/H1"), "fan(1:name:h2,serial:H2)": text("h2/H2")},
)
def fan_out_over_objects(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        hosts = step(list_hosts, "hosts", names="h1 h2")
        step(greet, "fan", with_param=hosts.get_parameter("hosts"), name="{{item.name}}/{{item.serial}}", times="1")
    return workflow


@case(
    phase="Succeeded",
    phases={"fan(0:a<b>&)": "Succeeded", 'fan(1:\\"q\\")': "Succeeded", "fan(2:1.5)": "Succeeded"},
    outputs={
        "one": text(r'["a\u003cb\u003e\u0026","\"q\"","1.5"]'),
        "all": text(
            r'[{"is-loud":"false","text":"a\u003cb\u003e\u0026"},{"is-loud":"false","text":"\"q\""},'
            r'{"is-loud":"false","text":"1.5"}]'
        ),
        "own": text('[{"name":"items","value":"2"},{"name":"x","value":"","enum":["","y"],"description":"a choice"}]'),
    },
)
def lists_of_outputs_and_parameters(name: str) -> Workflow:
    """As text, to the letter."""
    choice = Parameter(name="x", value="", enum=["", "y"], description="a choice")
    arguments = [Parameter(name="items", value="2"), choice]
    with Workflow(name=name, entrypoint="main", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, "fan", with_items=["a<b>&", '"q"', 1.5], name="{{item}}", times="1")
        step(greet, "one", name="{{steps.fan.outputs.parameters.text}}", times="1")
        step(greet, "all", name="{{steps.fan.outputs.parameters}}", times="1")
        step(greet, "own", name="{{workflow.parameters}}", times="1")
    return workflow


@case(
    phase="Succeeded",
    phases={"fan(0:x1)": "Succeeded", "fan(1:x2)": "Succeeded"},
    outputs={"all": text('["x1","x2"]')},
)
def fan_out_over_a_result(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        hosts = step(list_hosts, "hosts", names="x1 x2")
        step(greet, "fan", with_param=hosts.result, name="{{item}}", times="1")
        step(greet, "all", name="{{steps.fan.outputs.parameters.text}}", times="1")
    return workflow


@case(phase="Succeeded", phases={"fan": "Skipped"}, messages={"fan": "Skipped, empty params"})
def fan_out_over_nothing(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        hosts = step(list_hosts, "hosts", names="")
        step(greet, "fan", with_param=hosts.get_parameter("hosts"), name="{{item.name}}", times="1")
    return workflow


THERE = SecretRef(name="bmc", key="password")
NO_KEY = SecretRef(name="bmc", key="ca")
NO_SECRET = SecretRef(name="away", key="password")
PASSWORD = {"bmc": {"password": "Tr0ub4dor&3", "not-asked-for": "x"}}


@case(
    phase="Succeeded",
    secrets=PASSWORD,
    outputs={"read-secrets": {"readable": "bmc/password:11 bmc/ca:none away/password:none bmc/not-asked-for:none"}},
)
def secrets(name: str) -> Workflow:
    volume = Volume.model_validate(secrets_volume([THERE, NO_KEY, NO_SECRET]))
    with Workflow(name=name, entrypoint="main", volumes=[volume]) as workflow, Steps(name="main"):
        step(read_secrets, names=f"{THERE} {NO_KEY} {NO_SECRET} bmc/not-asked-for")
    return workflow


def _template() -> WorkflowTemplate:
    """A template whose steps need a secret that a workflow may bring, and two parameters."""
    arguments = [Parameter(name="first", value="its own"), Parameter(name="second", value="its own")]
    volume = Volume.model_validate(secrets_volume([NO_SECRET]))
    template = WorkflowTemplate(name="greets", entrypoint="main", arguments=arguments, volumes=[volume])
    with template, Steps(name="main") as steps, steps.parallel():
        step(greet, "first", name="{{workflow.parameters.first}}", times="1")
        step(greet, "second", name="{{workflow.parameters.second}}", times="1")
        step(read_secrets, names=f"{THERE} {NO_SECRET}")
    return template


@case(
    phase="Succeeded",
    templates=(_template(),),
    secrets=PASSWORD,
    outputs={
        "first": text("its own"),
        "second": text("GIVEN", loud=True),
        "read-secrets": {"readable": "bmc/password:11 away/password:none"},
    },
)
def a_template_with_arguments_and_volumes(name: str) -> Workflow:
    return Workflow(
        name=name,
        workflow_template_ref=WorkflowTemplateRef(name="greets"),
        arguments=[Parameter(name="second", value="GIVEN")],
        volumes=[Volume.model_validate(secrets_volume([THERE]))],
    )
