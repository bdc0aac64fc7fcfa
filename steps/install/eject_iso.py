"""Afterwards nothing of this run is left at the host's BMC: its ISO ejected, the boot override cleared, the URL dead.

Runs however the host's run ended. What this run did not do, it does not undo: a host that was refused is not touched.
"""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.errors import NotFound
from steps.domain.host import Host
from steps.domain.media import Lease
from steps.domain.mounting import EjectAction, decide_eject
from steps.install.peers import bmc_of


class Input(runtime.StepInput):
    host: Host


class Output(StepOutput):
    action: EjectAction
    evidence: str


@runtime.step()
def eject_iso(given: Input) -> Output:
    host = given.host
    with runtime.media_at(given) as media:
        try:
            lease = media.lease(run=given.run, host=host.name)
        except NotFound:
            return _told("nothing", "nothing was prepared for this host")
        # first of all: Argo does not wait for a stopped step, and one that still runs must find its run ended
        media.revoke(run=given.run, host=host.name)
        if not lease.mark("mount"):
            return _told("nothing", "this run mounted nothing")
        return _undo(host, lease)


def _told(action: EjectAction, evidence: str) -> Output:
    runtime.progress(100, evidence)
    return Output(action=action, evidence=evidence)


def _undo(host: Host, lease: Lease) -> Output:
    with bmc_of(host) as bmc:
        cd = bmc.cd()
        action = decide_eject(cd, lease.url)
        if action == "eject":
            bmc.eject()
        cleared = False
        if lease.mark("override") and action != "leave":
            cleared = bmc.boot_override().enabled != "Disabled"
            bmc.clear_boot_override()
    said = {
        "eject": "ISO ejected",
        "nothing": "nothing was mounted any more",
        "leave": f"the virtual CD holds {cd.image}, which is not this run's: left alone",
    }
    return _told(action, said[action] + (", boot override cleared" if cleared else ""))
