"""Afterwards an ESXi that was not there before answers at the host's address."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import esxi
from steps.clients.media import Media
from steps.clients.redfish import BmcClient
from steps.domain.errors import Unavailable
from steps.domain.host import Host
from steps.domain.identity import Before, check_server, must_be_ours, must_be_wanted
from steps.domain.installation import Evidence, StallWatch, Standing, assess, decide_start
from steps.domain.wait import SYSTEM_CLOCK, Clock
from steps.install.peers import bmc_of

LOOK_EVERY_S = 3.0
ASK_BMC_EVERY_S = 30.0  # BMCs are slow and have few sessions: power and BootProgress only add to the story


class Input(runtime.StepInput):
    host: Host
    before: Before


class Output(StepOutput):
    evidence: str


@runtime.step()
def install(given: Input) -> Output:
    with runtime.media_at(given) as media:
        lease = media.lease(run=given.run, host=given.host.name)
        must_be_wanted(given.host, lease)
        with bmc_of(given.host) as bmc:
            _start(given, media, bmc)
        standing = _watch(given, media, SYSTEM_CLOCK)
    return Output(evidence=standing.text)


def _start(given: Input, media: Media, bmc: BmcClient) -> None:
    """Power the server on, exactly once in this run."""
    host = given.host
    lease = media.lease(run=given.run, host=host.name)
    if decide_start(lease, bmc.power()) == "watch":
        runtime.say("the server was started by this run already; watching on")
        return
    check_server(host, bmc.facts())
    must_be_ours(host, given.run, bmc.cd(), lease.url)
    override = bmc.boot_override()
    if override.enabled == "Disabled":  # used up, or lost: without it the server would start from its disk
        override = bmc.boot_once_from_cd(host.boot_mode)
    media.mark(run=given.run, host=host.name, name="power-on", value=str(lease.bytes_covered))
    bmc.power_on()
    runtime.progress(5, f"powered on, to start once from {override.target}")


def _watch(given: Input, media: Media, clock: Clock) -> Standing:
    """Look for evidence until the new ESXi answers; raises as soon as the evidence says it never will."""
    host = given.host
    address, port = host.api_endpoint
    stall = StallWatch(host, clock.now())
    bmc_says, asked_s, told = ("on", ""), clock.now(), ""
    while True:
        if clock.now() - asked_s >= ASK_BMC_EVERY_S:
            bmc_says, asked_s = _ask(host, bmc_says), clock.now()
        lease = media.lease(run=given.run, host=host.name)
        must_be_wanted(host, lease)
        standing = assess(host, given.before, Evidence(lease, esxi.look(address, port), *bmc_says))
        if standing.text != told:
            told = standing.text
            runtime.progress(standing.percent, told)
        if standing.stage == "done":
            return standing
        stall.check(standing, clock.now())
        clock.sleep(LOOK_EVERY_S)


def _ask(host: Host, last: tuple[str, str]) -> tuple[str, str]:
    """Power and boot progress; a BMC that does not answer now changes nothing about the installation."""
    try:
        with bmc_of(host) as bmc:
            return bmc.power(), bmc.boot_progress()
    except Unavailable as error:
        runtime.say(f"BMC does not answer just now: {error.what}")
        return last
