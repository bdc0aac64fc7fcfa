"""Afterwards the BMC's server is known to be the one the table means, free to be installed; nothing was changed."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import esxi
from steps.domain.errors import HerasphereError, Refused
from steps.domain.esxi import EsxiSeen
from steps.domain.host import Host
from steps.domain.identity import Before, check_medium, check_server, check_vacant
from steps.install.peers import bmc_of


class Input(runtime.StepInput):
    host: Host
    reinstall: bool = False


class Output(StepOutput):
    before: Before
    evidence: str


@runtime.step()
def check_identity(given: Input) -> Output:
    host = given.host
    if host.protected:
        raise Refused("the table protects this host", where=host.name, hint="take `protected: true` from the table")
    with bmc_of(host) as bmc, runtime.media_at(given) as media:
        facts = bmc.facts()
        check_server(host, facts)
        cd = bmc.cd()
        check_medium(host, given.run, cd, media.lease_of_url(cd.image) if cd.image else None)
    address, port = host.api_endpoint
    seen = esxi.look(address, port)
    check_vacant(host, seen, reinstall=given.reinstall)
    evidence = f"{facts.manufacturer} {facts.model}, serial number {facts.serial}, power {facts.power}".strip()
    runtime.progress(100, evidence)
    return Output(before=_fingerprint(host, seen), evidence=evidence)


def _fingerprint(host: Host, seen: EsxiSeen | None) -> Before:
    """What can be known of the present installation; its password may be another than the table's."""
    if seen is None:
        return Before()
    address, port = host.api_endpoint
    password = runtime.secret(host.root_password)
    try:
        with esxi.login(address, port, password=password, thumbprint=seen.thumbprint) as client:
            return Before(seen=seen, facts=client.facts())
    except HerasphereError as error:
        runtime.say(f"the present installation shows its certificate only: {error.what}")
        return Before(seen=seen)
