"""A new run in the place of an old one: of its failed hosts, or of all of them.

Argo's own retry repeats the failed stage without the mount before it; a new run begins with the look at each host.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steps.domain.children import RUN_LABEL
from steps.domain.errors import ConfigError, Fault, NotFound, Refused, Unsupported
from steps.domain.outcome import mapping, text
from steps.domain.plan import InstallPlan, plan_install
from steps.domain.table_checks import Surroundings
from workflows.backends.argo.backend import Backend, Manifest
from workflows.backends.argo.follow import children_of
from workflows.backends.argo.isos import approved, isos_of
from workflows.backends.argo.runs import has_ended, host_of, never_began
from workflows.backends.argo.submit import PART_OF, check_parameters, found_template, give, new_name, start

RETRY_LABEL = "herasphere/retry-of"


@dataclass(frozen=True)
class OldRun:
    """A run that has ended: its Workflow, its hosts' Workflows, and its parameters."""

    workflow: Manifest
    children: list[Manifest]

    @property
    def name(self) -> str:
        return text(self.workflow["metadata"]["name"])

    @property
    def template(self) -> str:
        return text(mapping(self.workflow["spec"].get("workflowTemplateRef")).get("name"))

    @property
    def parameters(self) -> dict[str, str]:
        arguments = mapping(self.workflow["spec"].get("arguments")).get("parameters") or []
        return {each["name"]: text(each.get("value")) for each in arguments}

    @property
    def failed(self) -> list[str]:
        """Its hosts, in the table's order, that did not get through; one that was not started is one of them."""
        phases = {host_of(child): mapping(child.get("status")).get("phase") for child in self.children}
        return [host for host in self._planned() if phases.get(host) != "Succeeded"]

    def _planned(self) -> list[str]:
        """What its plan said; empty if it did not come so far."""
        for node in mapping(mapping(self.workflow.get("status")).get("nodes")).values():
            if node.get("templateName") == "plan-hosts":
                for output in mapping(node.get("outputs")).get("parameters") or []:
                    if output.get("name") == "hosts" and output.get("value"):
                        return [text(host) for host in json.loads(output["value"])]
        return []


def old_run(backend: Backend, name: str) -> OldRun:
    """The run of this name; Refused while it is under way, Unsupported if it does not refer to a template."""
    run = OldRun(backend.get(name), backend.listing(children_of(name)).items)
    under_way = [each for each in (run.workflow, *run.children) if not has_ended(each) and not never_began(each)]
    if under_way:
        names = ", ".join(host_of(each) or name for each in under_way)
        raise Refused(f"it is still under way: {names}", where=name, hint=f"`hera stop {name}`, or wait for its end")
    if not run.template:
        raise Unsupported("it was not made from a workflow template", where=name, hint="`hera submit` makes a new run")
    return run


def failed_hosts(run: OldRun) -> list[str]:
    """Refused when there is nothing to retry."""
    phase = text(mapping(run.workflow.get("status")).get("phase"))
    failed = run.failed
    if phase == "Succeeded" or ("table" in run.parameters and run.children and not failed):
        hint = f"`hera resubmit {run.name}` runs all of it again"
        raise Refused("nothing of it has failed", where=run.name, hint=hint)
    return failed


def parameters_for(run: OldRun, *, only: list[str], reinstall: bool) -> dict[str, str]:
    """The old run's, for these hosts; empty: those it was for. Not yet with what names the plan."""
    given = run.parameters
    if "table" in given:
        given |= {"only": json.dumps(sorted(only)) if only else given.get("only", "[]"), "approved": ""}
        given |= {"reinstall": "true"} if reinstall else {}
    return given


def plan_of(backend: Backend, given: Mapping[str, str], name: str) -> InstallPlan:
    """What the run with these parameters will do, with the ISOs as they are now; its secrets stay unread."""
    with isos_of(backend, elsewhere=bool(given.get("media"))) as held:
        around = Surroundings(read_secret=lambda _: None, find_iso=lambda path: held(path.rpartition("/")[2]))
        try:
            return plan_install(
                given["table"],
                f"table of {name}",
                around,
                only=json.loads(given.get("only") or "[]"),
                reinstall=given.get("reinstall") == "true",
            )
        except ValueError as error:
            fault = Fault(name, 0, 0, f"its parameter `only` is no list: {error}", "`hera submit` makes a new run")
            raise ConfigError([fault]) from error


def rerun(backend: Backend, run: OldRun, given: Mapping[str, str], plan: InstallPlan | None) -> Manifest:
    """Start it. It uses the old run's desk secret, which from now on lives as long as the longer of the two."""
    template = found_template(backend, run.template)
    parameters = dict(given) | ({"approved": approved(plan)} if plan else {})
    check_parameters(template, parameters)
    desk = parameters.get("desk", "")
    if not desk:
        return start(backend, _workflow(run, parameters))
    secrets = backend.secrets()
    try:
        secrets.check(desk)
    except NotFound as error:
        hint = "`hera submit` with the table: its secrets are at the desk"
        raise Refused("the secrets of the old run are gone", where=desk, hint=hint) from error
    started = start(backend, _workflow(run, parameters))
    give(secrets, desk, started, first=False)
    return started


def _workflow(run: OldRun, parameters: Mapping[str, str]) -> Manifest:
    name = new_name(run.template)
    spec: dict[str, Any] = {
        "workflowTemplateRef": {"name": run.template},
        "arguments": {"parameters": [{"name": key, "value": value} for key, value in parameters.items()]},
    }
    if volumes := run.workflow["spec"].get("volumes"):
        spec["volumes"] = volumes
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": {RUN_LABEL: name, RETRY_LABEL: run.name} | PART_OF},
        "spec": spec,
    }
