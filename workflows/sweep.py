"""Clean up after runs that could not: hosts of terminated or deleted runs, and what was kept of runs long ago."""

from hera.workflows import Steps, WorkflowTemplate
from pydantic import BaseModel, Field

from steps.install.sweep import sweep as sweep_step
from workflows.defaults import labelled_with_its_run, workflow_defaults
from workflows.parameters import given, parameters_of


class Parameters(BaseModel):
    """What a schedule gives."""

    keep_days: int = Field(90, description="days for which the reports and logs of runs are kept")
    media: str = Field("", description="control URL of the media service; empty: the one of this namespace")


def sweep() -> WorkflowTemplate:
    """The workflow that a CronWorkflow starts."""
    with (
        WorkflowTemplate(
            name="sweep",
            entrypoint="main",
            arguments=parameters_of(Parameters),
            workflow_metadata=labelled_with_its_run(),
            **workflow_defaults(__doc__),
        ) as workflow,
        Steps(name="main"),
    ):
        sweep_step(arguments={"run": "{{workflow.name}}"} | given("media", "keep_days"))
    return workflow
