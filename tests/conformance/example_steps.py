"""Steps of the conformance cases: they need nothing but what they are given, so they run in a pod as well as here."""

import json
import os
import sys
import time
from typing import Annotated

from hera.workflows import Input as StepInput
from hera.workflows import Output as StepOutput
from hera.workflows import Parameter, RetryStrategy
from hera.workflows.models import VolumeMount

from steps import runtime
from steps.clients import engine
from steps.domain.children import SECRETS_VOLUME
from steps.domain.errors import Conflict, NotFound, Unavailable
from steps.domain.host import SecretRef

RETRY = RetryStrategy(
    limit=1, retry_policy="Always", expression="asInt(lastRetry.exitCode) == 75 || lastRetry.status == 'Error'"
)
SECRETS = VolumeMount(name=SECRETS_VOLUME, mount_path="/run/herasphere/secrets", read_only=True)
TMP = VolumeMount(name="tmp", mount_path="/tmp")
WAITS_AT_MOST_S = 600.0
OVERLAPS_IF_IT_CAN_S = 2.0
LOOK_EVERY_S = 0.2


class Greeting(StepInput):
    name: str
    times: int = 2


class Greeted(StepOutput):
    text: str
    loud: Annotated[bool, Parameter(name="is-loud")]


@runtime.step()
def greet(given: Greeting) -> Greeted:
    return Greeted(text=" ".join([given.name] * given.times), loud=given.name.isupper())


class Names(StepInput):
    names: str


class Listed(StepOutput):
    hosts: list[dict[str, str]]


@runtime.step()
def list_hosts(given: Names) -> Listed:
    names = given.names.split()
    return Listed(hosts=[{"name": name, "serial": name.upper()} for name in names], result=names)


class Ending(StepInput):
    code: int


@runtime.step(retry_strategy=RETRY)
def end_with_retry(given: Ending) -> None:
    _end(given.code)


@runtime.step()
def end(given: Ending) -> None:
    _end(given.code)


class Left(StepOutput):
    text: str


@runtime.step()
def leave(given: Ending) -> Left:
    """End without writing the output."""
    sys.exit(given.code)


@runtime.step(retry_strategy=RETRY, volume_mounts=[TMP])
def leave_with_retry(given: Ending) -> Left:
    sys.exit(given.code)


@runtime.step(retry_strategy=RETRY, env={"ATTEMPT": "{{retries}}"})
def fail_at_first(given: Greeting) -> Greeted:
    """Pass at the second attempt; Argo's own count of them tells which it is."""
    if os.environ["ATTEMPT"] == "0":
        _end(Unavailable.exit_code)
    return Greeted(text=" ".join([given.name] * given.times), loud=given.name.isupper())


class Nothing(StepInput):
    pass


@runtime.step()
def hold(given: Nothing) -> None:
    """Wait to be stopped."""
    time.sleep(WAITS_AT_MOST_S)


@runtime.step(retry_strategy=RETRY)
def hold_with_retry(given: Nothing) -> None:
    time.sleep(WAITS_AT_MOST_S)


@runtime.step(active_deadline_seconds=5)
def hold_five_seconds(given: Nothing) -> None:
    time.sleep(WAITS_AT_MOST_S)


class Readable(StepOutput):
    readable: str


@runtime.step(volume_mounts=[SECRETS])
def read_secrets(given: Names) -> Readable:
    """Tell which of these (name/key) can be read, each with its length."""
    return Readable(readable=" ".join(f"{name}:{_length(name)}" for name in given.names.split()))


class Failures(StepInput):
    failures: str


class Failed(StepOutput):
    nodes: str
    said: str


@runtime.step()
def tell_failures(given: Failures) -> Failed:
    """The failed nodes' names, and what the failed pods said, in the order of the alphabet."""
    failures = json.loads(json.loads(given.failures))  # Argo quotes the JSON once more
    said = {failure["message"].strip() for failure in failures if failure["message"].startswith("main:")}
    return Failed(nodes=" ".join(sorted(failure["displayName"] for failure in failures)), said="; ".join(sorted(said)))


class Span(StepOutput):
    span: str


@runtime.step()
def take_a_while(given: Nothing) -> Span:
    begin = time.time()
    time.sleep(OVERLAPS_IF_IT_CAN_S)
    return Span(span=f"{begin} {time.time()}")


class Spans(StepInput):
    spans: list[str]


class AtOnce(StepOutput):
    most: int


@runtime.step()
def count_at_once(given: Spans) -> AtOnce:
    """How many of these spans of time had a moment in common."""
    spans = [tuple(map(float, span.split())) for span in given.spans]
    return AtOnce(most=max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans))


class Child(StepInput):
    name: str
    template: str


class Seen(StepOutput):
    phase: str


@runtime.step()
def start_child(given: Child) -> Seen:
    """Create a workflow from a template; tells the first phase that it is seen in."""
    workflows = engine.connect(runtime.engine_socket())
    reference = {"workflowTemplateRef": {"name": given.template}}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    workflows.create(kind | {"metadata": {"name": given.name}, "spec": reference})
    end = time.monotonic() + WAITS_AT_MOST_S
    while not (phase := workflows.phase(given.name)) and time.monotonic() < end:
        time.sleep(LOOK_EVERY_S)
    return Seen(phase=phase or "none")


def _length(name: str) -> str:
    try:
        return str(len(runtime.secret(SecretRef(name=name.split("/")[0], key=name.split("/")[1]))))
    except NotFound:
        return "none"


def _end(code: int) -> None:
    if code == Unavailable.exit_code:
        raise Unavailable("the peer is away", where="here", hint="wait")
    if code == Conflict.exit_code:
        raise Conflict("somebody else has it", where="here", hint="ask them")
    if code == runtime.EXIT_BUG:
        raise ZeroDivisionError("a bug")
    sys.exit(code)
