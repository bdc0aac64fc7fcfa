"""Cases of how workflows end: exit handlers, and Stop in the middle."""

from hera.workflows import DAG, Parameter, Step, Steps, Suspend, Task, Workflow

from tests.conformance.case import STOPPED_POD, case, step
from tests.conformance.example_steps import (
    end,
    end_with_retry,
    greet,
    hold,
    hold_with_retry,
    tell_failures,
)
from tests.conformance.failures import TAKEN
from tests.conformance.parameters import text

STOPPED = "Stopped with strategy 'Stop'"


@case(
    phase="Failed",
    phases={"bad": "Failed", "exit-handler-after-failure.onExit": "Succeeded"},
    outputs={"status": text("Failed")},
)
def exit_handler_after_failure(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(end, "bad", code="11")
        with Steps(name="bye"):
            step(greet, "status", name="{{workflow.status}}", times="1")
    return workflow


@case(
    phase="Failed",
    phases={"greet": "Succeeded", "bad": "Failed", "exit-handler-fails.onExit": "Failed"},
)
def exit_handler_fails(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(greet, name="a")
        with Steps(name="bye"):
            step(end, "bad", code="9")
    return workflow


@case(
    phase="Failed",
    outputs={"tell-failures": {"nodes": "[0] exit-handler-learns-failures try try(0)", "said": TAKEN}},
)
def exit_handler_learns_failures(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(end_with_retry, "try", code="11")
        with Steps(name="bye"):
            step(tell_failures, failures="{{workflow.failures}}")
    return workflow


@case(
    phase="Succeeded",
    phases={"exit-handler-of-one-step": "Succeeded", "exit-handler-of-one-step.onExit": "Succeeded"},
    outputs={"exit-handler-of-one-step.onExit": text("ana ana")},
)
def exit_handler_of_one_step(name: str) -> Workflow:
    """Its template's inputs are the workflow's arguments of the same names."""
    arguments = [Parameter(name="name", value="ana")]
    with Workflow(name=name, entrypoint="main", on_exit="greet", arguments=arguments) as workflow, Steps(name="main"):
        step(greet, name="a")
    return workflow


@case(
    phase="Failed",
    phases={"greet": "Succeeded", "exit-handler-retried.onExit": "Failed", "exit-handler-retried.onExit(1)": "Failed"},
    messages={"exit-handler-retried.onExit": "No more retries left"},
)
def exit_handler_retried(name: str) -> Workflow:
    arguments = [Parameter(name="code", value="75")]
    with Workflow(name=name, entrypoint="main", on_exit="end-with-retry", arguments=arguments) as workflow:
        with Steps(name="main"):
            step(greet, name="a")
        with Steps(name="unused"):
            step(end_with_retry, code="75")
    return workflow


@case(
    phase="Failed",
    message=STOPPED,
    stop_when="hold",
    phases={"stopped-in-a-dag": "Failed", "hold": "Failed", "stopped-in-a-dag.onExit": "Succeeded"},
    messages={"hold": STOPPED_POD},
    absent=("after", "after-failure"),
)
def stopped_in_a_dag(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        with DAG(name="main"):
            held: Task = step(hold)
            after: Task = step(greet, "after", name="a")
            after_failure: Task = step(greet, "after-failure", name="a")
            held >> after
            held.on_failure(after_failure)
        with Steps(name="bye"):
            step(greet, name="a")
    return workflow


@case(
    phase="Failed",
    message=STOPPED,
    stop_when="hold",
    phases={"hold": "Failed", "stopped[0]": "Failed", "stopped.onExit": "Succeeded"},
    messages={"hold": STOPPED_POD},
    outputs={"status": text("Failed")},
    absent=("stopped[1]", "after"),
)
def stopped(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        with Steps(name="main"):
            step(hold)
            step(greet, "after", name="a")
        with Steps(name="bye"):
            step(greet, "status", name="{{workflow.status}}", times="1")
    return workflow


@case(
    phase="Failed",
    message=STOPPED,
    stop_when="hold(0)",
    phases={"hold": "Failed", "hold(0)": "Failed"},
    messages={"hold": STOPPED, "hold(0)": STOPPED_POD},
    absent=("hold(1)",),
)
def stopped_and_not_retried(name: str) -> Workflow:
    """The step ends with 75, as on every SIGTERM."""
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        step(hold_with_retry, "hold")
    return workflow


@case(
    phase="Failed",
    message=STOPPED,
    stop_when="approve",
    phases={"approve": "Failed", "stopped-while-it-waits-for-approval.onExit": "Succeeded"},
    messages={"approve": STOPPED},
    absent=("after",),
)
def stopped_while_it_waits_for_approval(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", on_exit="bye") as workflow:
        approval = Suspend(name="approve")
        with Steps(name="main"):
            Step(name="approve", template=approval)
            step(greet, "after", name="a")
        with Steps(name="bye"):
            step(greet, name="a")
    return workflow
