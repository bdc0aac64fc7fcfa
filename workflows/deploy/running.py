"""Runs that are under way while a deployment would change what they stand on."""

from collections.abc import Iterable

from steps.domain.children import HOST_LABEL
from steps.domain.errors import Refused
from workflows.backends.argo.runs import CRON_LABEL
from workflows.deploy.apply import Change
from workflows.deploy.server import Server
from workflows.schedules import SCHEDULES

DISTURBING = ("Deployment", "WorkflowTemplate")  # BMCs read from the one; hosts that wait are started from the others
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def refuse_disturbance(server: Server, changes: Iterable[Change]) -> None:
    """Raise Refused if these changes would reach into a run: nothing has been touched then."""
    disturbing = [str(each) for each in changes if each.done == "changed" and each.kind in DISTURBING]
    runs = _under_way(server) if disturbing else []
    if runs:
        raise Refused(
            f"runs are under way ({', '.join(runs)}), and {', '.join(disturbing)} would change: "
            "BMCs would lose their media for some seconds, and hosts would be installed by two versions",
            where=server.namespace,
            hint="wait for them, or `hera stop` them; --while-running does it all the same",
        )


def _under_way(server: Server) -> list[str]:
    """Names of runs that have not ended; those of our own schedules bear it, and hosts belong to runs."""
    own = ",".join(each.name for each in SCHEDULES)
    selector = f"workflows.argoproj.io/completed!=true,!{HOST_LABEL},{CRON_LABEL} notin ({own})"
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{server.namespace}/workflows"
    found = server.asked(path, "list workflows", accept=METADATA_ONLY, labelSelector=selector)["items"]
    return [each["metadata"]["name"] for each in found or []]  # of nothing the items are null here
