"""Install ESXi on the servers of a host table: plan, roll out, and whatever happened, stop what is left and report."""

from hera.workflows import Steps, Suspend, WorkflowTemplate
from pydantic import BaseModel, Field

from steps.install.plan_hosts import plan_hosts
from steps.install.report import report
from steps.install.rollout import rollout
from steps.install.stop_hosts import stop_hosts
from workflows.defaults import labelled_with_its_run, workflow_defaults
from workflows.parameters import given, parameters_of

APPROVE = "approve"


class Parameters(BaseModel):
    """What a person gives who starts it in Argo's UI; `hera submit` gives the same."""

    table: str = Field(description="the host table (YAML text); its secrets as {secret: NAME, key: KEY}")
    only: list[str] = Field([], description="names of the hosts to install (JSON list); empty: all")
    reinstall: bool = Field(False, description="install over ESXi where it is found")
    limit: int = Field(0, description="hosts at the same time; 0: as the table says")
    approve: bool = Field(False, description="wait after the plan until somebody resumes the workflow")
    approved: str = Field("", description="digest of the plan that was confirmed; empty: not asked")
    media: str = Field("", description="control URL of the media service; empty: the one of this namespace")
    desk: str = Field("", description="Secret with what the table's env: and file: references mean; set by hera submit")


def install_hosts() -> WorkflowTemplate:
    """The workflow of a whole table."""
    with WorkflowTemplate(
        name="install-hosts",
        entrypoint="install-hosts",
        on_exit="finish",
        arguments=parameters_of(Parameters),
        workflow_metadata=labelled_with_its_run(),
        **workflow_defaults(__doc__),
    ) as workflow:
        run = {"run": "{{workflow.name}}"} | given("media")
        table = run | given("table", "only", "reinstall", "approved")
        digest = {"digest": "{{steps.plan-hosts.outputs.parameters.digest}}"}
        approval = Suspend(name=APPROVE)
        with Steps(name="install-hosts"):
            plan_hosts(arguments=table)
            approval(name=APPROVE, when="'{{workflow.parameters.approve}}' == 'true'")
            rollout(arguments=table | given("limit", "desk") | {"uid": "{{workflow.uid}}"} | digest)
        with Steps(name="finish"):
            stop_hosts(arguments=run)
            report(
                arguments=run
                | given("table", "only")
                | {"status": "{{workflow.status}}", "failures": "{{workflow.failures}}"}
            )
    return workflow
