"""Redfish, over sushy: what herasphere asks of a BMC, with the vendors' ways in one table (`families`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from steps.clients.redfish.client import BmcClient
from steps.clients.redfish.session import READ_TIMEOUT_S, log_in
from steps.clients.redfish.termination import LettingIn
from steps.domain.host import Bmc
from steps.domain.wait import SYSTEM_CLOCK, Clock

__all__ = ["BmcClient", "connect"]


@contextmanager
def connect(
    bmc: Bmc,
    *,
    password: str,
    ca_pem: str = "",
    clock: Clock = SYSTEM_CLOCK,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Iterator[BmcClient]:
    """A BMC, logged in; logged out afterwards, whatever happened inside.

    ca_pem: the only CAs trusted, PEM; "" for the public ones. AccessDenied when the password or the certificate is
    refused, Unavailable when nothing answers.
    """
    where = f"BMC {bmc.address}"
    clock = LettingIn(clock)
    with log_in(bmc, password=password, ca_pem=ca_pem, clock=clock, read_timeout_s=read_timeout_s, where=where) as (
        root,
        connector,
    ):
        yield BmcClient(root, connector, where=where, clock=clock)
