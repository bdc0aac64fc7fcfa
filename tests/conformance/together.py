"""Cases of what must not run at once: a limit on pods, a lock between workflows."""

from typing import Any

from hera.workflows import Steps, Workflow, WorkflowTemplate
from hera.workflows.models import Mutex, Synchronization, WorkflowTemplateRef

from tests.conformance.case import Expected, case, step
from tests.conformance.example_steps import count_at_once, greet, start_child, take_a_while


@case(phase="Succeeded", outputs={"count-at-once": {"most": "1"}})
def parallelism(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", parallelism=1) as workflow, Steps(name="main"):
        step(take_a_while, "while", with_items=["a", "b", "c"])
        step(count_at_once, spans="{{steps.while.outputs.parameters.span}}")
    return workflow


def _locked(name: str, lock: str, **given: Any) -> WorkflowTemplate:
    synchronization = Synchronization(mutexes=[Mutex(name=lock)])
    return WorkflowTemplate(name=name, entrypoint="main", synchronization=synchronization, **given)


def _first() -> WorkflowTemplate:
    template = _locked("locks", "lock-of-{{workflow.parameters.serial}}", arguments={"serial": "S1"})
    with template, Steps(name="main"):
        step(start_child, name="{{workflow.name}}-child", template="locks-too")
    return template


def _second() -> WorkflowTemplate:
    template = _locked("locks-too", "lock-of-S1")
    with template, Steps(name="main"):
        step(greet, name="a")
    return template


@case(
    phase="Succeeded",
    templates=(_first(), _second()),
    outputs={"start-child": {"phase": "Pending"}},
    child=Expected(phase="Succeeded", message="", phases={"greet": "Succeeded"}),
)
def mutex(name: str) -> Workflow:
    """The first holds the lock while it starts the second, which waits for it."""
    return Workflow(name=name, workflow_template_ref=WorkflowTemplateRef(name="locks"))
