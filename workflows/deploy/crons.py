"""The CronWorkflows of the table of schedules."""

from workflows.backends.argo.schedules import STARTED_LATE_S
from workflows.backends.argo.submit import PART_OF
from workflows.deploy.kinds import Manifest
from workflows.deploy.manifest import manifest
from workflows.deploy.settings import Settings
from workflows.schedules import SCHEDULES, Schedule


def crons(settings: Settings) -> list[Manifest]:
    """One for each schedule."""
    return [_cron(each, settings) for each in SCHEDULES]


def _cron(schedule: Schedule, settings: Settings) -> Manifest:
    arguments = [{"name": name, "value": value} for name, value in schedule.parameters.items()]
    workflow = {"workflowTemplateRef": {"name": schedule.workflow}}
    return manifest(
        "CronWorkflow",
        schedule.name,
        settings,
        spec={
            "schedules": [schedule.cron],
            "timezone": schedule.timezone,
            "suspend": schedule.suspend,
            "concurrencyPolicy": "Forbid",  # one that lasts longer than its interval is not overtaken
            "startingDeadlineSeconds": STARTED_LATE_S,
            "successfulJobsHistoryLimit": schedule.kept_successes,
            "failedJobsHistoryLimit": schedule.kept_failures,
            "workflowMetadata": {"labels": dict(PART_OF)},
            "workflowSpec": workflow | ({"arguments": {"parameters": arguments}} if arguments else {}),
        },
    )
