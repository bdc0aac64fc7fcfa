"""Install ESXi on the servers of a host table: plan, roll out, and whatever happened, stop what is left and report."""

from collections.abc import Iterable

from hera.workflows import Parameter, Steps, Workflow

from steps.domain.children import MEDIA_TOKEN
from steps.domain.host import SecretRef
from steps.install.plan_hosts import plan_hosts
from steps.install.report import report
from steps.install.rollout import rollout
from steps.install.stop_hosts import stop_hosts
from workflows.defaults import workflow_defaults
from workflows.parameters import given

PARAMETERS = [
    Parameter(name="table", description="the host table (YAML text)"),
    Parameter(name="only", value="[]", description="names of the hosts to install (JSON list); empty: all"),
    Parameter(
        name="reinstall", value="false", enum=["false", "true"], description="install over ESXi where it is found"
    ),
    Parameter(name="limit", value="0", description="hosts at the same time; 0: as the table says"),
    Parameter(name="approved", value="", description="digest of the plan that was confirmed; empty: not asked"),
    Parameter(name="media", description="control URL of the media service"),
]


def install_hosts(secrets: Iterable[SecretRef] = ()) -> Workflow:
    """The workflow of a whole table; `secrets` are those which the table names."""
    with Workflow(
        generate_name="install-hosts-",
        entrypoint="install-hosts",
        on_exit="finish",
        arguments=PARAMETERS,
        **workflow_defaults([*secrets, MEDIA_TOKEN]),
    ) as workflow:
        table = given("table", "only", "reinstall", "approved", "media")
        run = {"run": "{{workflow.name}}"}
        digest = {"digest": "{{steps.plan-hosts.outputs.parameters.digest}}"}
        with Steps(name="install-hosts"):
            plan_hosts(arguments=table)
            rollout(arguments=table | given("limit") | run | {"uid": "{{workflow.uid}}"} | digest)
        with Steps(name="finish"):
            stop_hosts(arguments=run)
            report(
                arguments=run
                | given("table", "only")
                | {"status": "{{workflow.status}}", "failures": "{{workflow.failures}}"}
            )
    return workflow
