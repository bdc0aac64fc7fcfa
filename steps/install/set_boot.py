"""Afterwards the server is off and will start from its virtual CD, once."""

from typing import Literal

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.host import Host
from steps.domain.identity import check_server, must_be_ours, must_be_wanted
from steps.install.peers import bmc_of


class Input(runtime.StepInput):
    host: Host


class Output(StepOutput):
    action: Literal["set", "nothing"]
    evidence: str


@runtime.step()
def set_boot(given: Input) -> Output:
    host = given.host
    with runtime.media_at(given) as media, bmc_of(host) as bmc:
        lease = media.lease(run=given.run, host=host.name)
        must_be_wanted(host, lease)
        if lease.mark("power-on"):
            return _told("nothing", "the server was started by this run already")
        check_server(host, bmc.facts())
        must_be_ours(host, given.run, bmc.cd(), lease.url)
        # off first: some BMCs refuse the override during POST, and some forget it at a warm reset
        media.mark(run=given.run, host=host.name, name="override")
        bmc.power_off()
        override = bmc.boot_once_from_cd(host.boot_mode)
    return _told("set", f"power off, next start once from {override.target} ({override.mode or host.boot_mode})")


def _told(action: Literal["set", "nothing"], evidence: str) -> Output:
    runtime.progress(100, evidence)
    return Output(action=action, evidence=evidence)
