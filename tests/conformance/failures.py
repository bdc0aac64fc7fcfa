"""Cases of steps that fail: retried or not, past their deadline, one of a fan-out."""

from typing import Any

from hera.workflows import Steps, Workflow

from tests.conformance.case import case, step
from tests.conformance.example_steps import (
    end,
    end_with_retry,
    fail_at_first,
    greet,
    hold_five_seconds,
    leave_with_retry,
)
from tests.conformance.parameters import text
from workflows.defaults import SCRATCH

AWAY = "main: Error (exit code 75): here: the peer is away (hint: wait)"
TAKEN = "main: Error (exit code 11): here: somebody else has it (hint: ask them)"
BUG = "main: Error (exit code 70): unexpected ZeroDivisionError: a bug"
NOT_WANTED = "retryStrategy.expression evaluated to false"


def _one(name: str, function: Any, /, **given: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        step(function, "try", **given)
    return workflow


@case(
    phase="Failed",
    phases={"try": "Failed", "try(0)": "Failed", "try(1)": "Failed"},
    messages={"try": "No more retries left", "try(0)": AWAY, "try(1)": AWAY},
    absent=("try(2)",),
)
def retried_until_the_limit(name: str) -> Workflow:
    return _one(name, end_with_retry, code="75")


@case(
    phase="Succeeded",
    phases={"try": "Succeeded", "try(0)": "Failed", "try(1)": "Succeeded"},
    messages={"try": "", "try(0)": AWAY},
    outputs={"try(0)": text("") | {"is-loud": ""}, "try(1)": text("a a"), "try": text("a a")},
)
def retried_with_success(name: str) -> Workflow:
    return _one(name, fail_at_first, name="a")


@case(
    phase="Failed",
    messages={"try": NOT_WANTED, "try(0)": TAKEN},
    absent=("try(1)",),
)
def not_retried(name: str) -> Workflow:
    return _one(name, end_with_retry, code="11")


@case(phase="Failed", messages={"try": NOT_WANTED, "try(0)": BUG}, absent=("try(1)",))
def a_bug_is_not_retried(name: str) -> Workflow:
    return _one(name, end_with_retry, code="70")


@case(
    phase="Failed",
    phases={"try": "Error", "try(0)": "Error", "try(1)": "Error", "[0]": "Failed"},
    messages={
        "try": "No more retries left",
        "try(0)": "wait: Error (exit code 64): open /mainctrfs/tmp/hera-outputs/parameters/text: "
        "no such file or directory",
    },
    absent=("try(2)",),
)
def no_output_is_an_error_and_retried(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main", volumes=[SCRATCH]) as workflow, Steps(name="main"):
        step(leave_with_retry, "try", code="0")
    return workflow


@case(
    phase="Failed",
    phases={"bad": "Failed", "beside": "Succeeded", "[0]": "Failed"},
    messages={"bad": "main: Error (exit code 3)"},
    absent=("after", "[1]"),
)
def fails_without_retry(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main") as steps:
        with steps.parallel():
            step(end, "bad", code="3")
            step(greet, "beside", name="a")
        step(greet, "after", name="a")
    return workflow


@case(
    phase="Failed",
    phases={"fan(0:0)": "Succeeded", "fan(1:3)": "Failed", "fan(2:0)": "Succeeded", "[0]": "Failed"},
    absent=("fan", "after", "[1]"),
)
def fan_out_of_which_one_fails(name: str) -> Workflow:
    with Workflow(name=name, entrypoint="main") as workflow, Steps(name="main"):
        step(end, "fan", with_items=["0", "3", "0"], code="{{item}}")
        step(greet, "after", name="a")
    return workflow


@case(
    phase="Failed",
    phases={"try": "Failed"},
    messages={"try": "Pod was active on the node longer than the specified deadline"},
)
def past_its_deadline(name: str) -> Workflow:
    return _one(name, hold_five_seconds)
