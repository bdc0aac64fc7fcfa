"""Steps of the conformance cases: they need nothing but what they are given, so they run in a pod as well as here."""

import sys
from typing import Annotated

from hera.workflows import Input as StepInput
from hera.workflows import Output as StepOutput
from hera.workflows import Parameter, RetryStrategy

from steps import runtime
from steps.domain.errors import Conflict, Unavailable

RETRY = RetryStrategy(
    limit=1, retry_policy="Always", expression="asInt(lastRetry.exitCode) == 75 || lastRetry.status == 'Error'"
)


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


def _end(code: int) -> None:
    if code == Unavailable.exit_code:
        raise Unavailable("the peer is away", where="here", hint="wait")
    if code == Conflict.exit_code:
        raise Conflict("somebody else has it", where="here", hint="ask them")
    sys.exit(code)
