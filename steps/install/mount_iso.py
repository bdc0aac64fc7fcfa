"""Afterwards the host's own ISO of this run, and nothing else, is in its virtual CD."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.host import Host
from steps.domain.identity import check_medium, check_server, ended, is_live, must_be_wanted
from steps.domain.mounting import MountAction, decide_mount
from steps.install.peers import bmc_of


class Input(runtime.StepInput):
    host: Host


class Output(StepOutput):
    action: MountAction
    evidence: str


@runtime.step()
def mount_iso(given: Input) -> Output:
    host = given.host
    with runtime.media_at(given) as media, bmc_of(host) as bmc:
        lease = media.lease(run=given.run, host=host.name)
        must_be_wanted(host, lease)
        check_server(host, bmc.facts())
        cd = bmc.cd()
        check_medium(host, given.run, cd, media.lease_of_url(cd.image) if cd.image else None)
        action = decide_mount(cd, lease.url)
        if action != "nothing":
            media.mark(run=given.run, host=host.name, name="mount")  # first the note, so that the clean-up knows
            cd = bmc.insert(lease.url)
            if not is_live(media.lease(run=given.run, host=host.name)):  # the clean-up ran meanwhile, and saw nothing
                bmc.eject()
                raise ended(host, lease)
    said = {"nothing": "was mounted already", "insert": "mounted", "replace": "mounted in place of an older one"}
    evidence = f"ISO {said[action]} in {cd.slot}"
    runtime.progress(100, evidence)
    return Output(action=action, evidence=evidence)
