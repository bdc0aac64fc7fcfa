"""Afterwards the run's report lies in its run store: for people (HTML), for programs (JSON), for CI servers (JUnit).

It only tells what happened: whatever it finds, it does not fail the run on top.
"""

from collections.abc import Collection
from importlib.metadata import version

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import engine
from steps.domain.children import ROLLOUT_ACCOUNT
from steps.domain.errors import ConfigError
from steps.domain.junit import to_junit
from steps.domain.report import FILES, report_of, to_json
from steps.domain.report_html import to_html, verdict
from steps.domain.source import read


class Input(runtime.StepInput):
    status: str
    failures: str = ""
    table: str
    only: list[str] = []


class Output(StepOutput):
    verdict: str


@runtime.step(service_account_name=ROLLOUT_ACCOUNT)
def report(given: Input) -> Output:
    made = report_of(
        engine.connect(runtime.engine_socket()).list(given.run),
        run=given.run,
        version=version("herasphere"),
        status=given.status,
        failures=given.failures,
        expected=_hosts_of(given.table, given.only),
    )
    store = runtime.run_store(given)
    places = []
    for name, text in zip(FILES, (to_html(made), to_json(made), to_junit(made)), strict=True):
        runtime.show(name, text)
        places.append(store.put(name, text))
    told = verdict(made)
    runtime.say(f"{told}: {places[0]}")
    return Output(verdict=told)


def _hosts_of(table: str, only: Collection[str]) -> list[str]:
    """Names of the hosts the run is about, as far as the table can be read: it may be what the run failed for."""
    try:
        data = read(table, "table").data
    except ConfigError:
        return list(only)
    hosts = data.get("hosts") if isinstance(data, dict) else None
    names = [host.get("name") for host in hosts if isinstance(host, dict)] if isinstance(hosts, list) else []
    return [name for name in names if isinstance(name, str) and (not only or name in only)]
