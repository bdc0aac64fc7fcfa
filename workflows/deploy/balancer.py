"""The address that a load balancer gives the media service: it stands in every URL a BMC is given."""

from dataclasses import replace

from steps.domain.errors import TimedOut
from steps.domain.outcome import mapping
from steps.domain.wait import SYSTEM_CLOCK, Clock, wait_until
from workflows.deploy.apply import apply
from workflows.deploy.kinds import Manifest
from workflows.deploy.media import PUBLIC, public
from workflows.deploy.namespace import namespace
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

ADDRESS_WITHIN_S = 120.0


def is_wanted(settings: Settings) -> bool:
    """Whether BMCs come by an address that only a load balancer can tell."""
    return settings.expose == "loadbalancer" and not settings.address


def with_address(server: Server, settings: Settings) -> Settings:
    """The settings with the load balancer's address, if one is wanted and it has been given one."""
    service = server.get("Service", PUBLIC) if is_wanted(settings) else None
    return replace(settings, found_address=_address(service)) if service else settings


def with_new_address(server: Server, settings: Settings, *, take_over: bool, clock: Clock = SYSTEM_CLOCK) -> Settings:
    """The settings with the address of a load balancer that is made first if there is none; TimedOut without one."""
    if not is_wanted(settings):
        return settings
    for _ in apply(server, [*namespace(settings), public(settings)], take_over=take_over):
        pass
    try:
        return wait_until(
            lambda: found if (found := with_address(server, settings)).address else None,
            what="an address for the load balancer",
            where=f"Service/{PUBLIC}",
            hint="does this cluster have load balancers? --media-address names one, --expose hostport needs none",
            timeout_s=ADDRESS_WITHIN_S,
            clock=clock,
        )
    except TimedOut as error:
        error.what = f"the cluster has given the load balancer no address within {ADDRESS_WITHIN_S:g} s"
        raise


def _address(service: Manifest) -> str:
    """The first in an order that stays: each change restarts the media service."""
    ingress = mapping(mapping(service.get("status")).get("loadBalancer")).get("ingress") or []
    given = sorted(str(each.get("ip") or each.get("hostname") or "") for each in ingress)
    address = next(filter(None, given), "")
    return f"[{address}]" if ":" in address else address
