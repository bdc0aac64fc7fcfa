"""The peers of a host's steps, with the secrets to speak to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from steps import runtime
from steps.clients import redfish
from steps.clients.redfish import BmcClient
from steps.domain.host import Host


@contextmanager
def bmc_of(host: Host) -> Iterator[BmcClient]:
    """The host's BMC, logged in; logged out afterwards, whatever happened."""
    ca_pem = runtime.secret(host.bmc.ca) if host.bmc.ca else ""
    with redfish.connect(host.bmc, password=runtime.secret(host.bmc.password), ca_pem=ca_pem) as client:
        yield client
