"""The peers of a host's steps, with the secrets to speak to them: its BMC, the media service, the engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from steps import runtime
from steps.clients import redfish
from steps.clients.media import Media
from steps.clients.redfish import BmcClient
from steps.domain.children import MEDIA_TOKEN
from steps.domain.host import Host


@contextmanager
def bmc_of(host: Host) -> Iterator[BmcClient]:
    """The host's BMC, logged in; logged out afterwards, whatever happened."""
    ca_pem = runtime.secret(host.bmc.ca) if host.bmc.ca else ""
    with redfish.connect(host.bmc, password=runtime.secret(host.bmc.password), ca_pem=ca_pem) as client:
        yield client


def media_at(url: str) -> Media:
    """The media service whose control API is at this URL; a context manager."""
    return Media(url, runtime.secret(MEDIA_TOKEN))
