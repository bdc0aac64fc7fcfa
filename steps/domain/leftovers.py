"""What a run left behind that could not clean up: it was terminated, or its Workflow deleted."""

from collections.abc import Callable

from steps.domain.media import Lease
from steps.domain.rollout import FINISHED


def is_left(lease: Lease, phase_of: Callable[[str], str | None]) -> bool:
    """Whether the Workflow that took this lease is over, and so nobody is there any more to end it.

    phase_of: the phase of the Workflow of this name; None when there is none. Only an Argo run can be asked for here:
    a run on some other machine that uses the same media service is left alone.
    """
    origin = lease.origin
    if lease.revoked or origin is None or origin.engine != "argo" or not origin.workflow:
        return False
    phase = phase_of(origin.workflow)
    return phase is None or phase in FINISHED
