"""Which of a guest's addresses is the one to reach it at, and since when it has been that."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass


def chosen(addresses: Iterable[str], network: str) -> str:
    """The first address of this network that can be reached from elsewhere; "" if there is none."""
    wanted = ipaddress.ip_network(network, strict=False)
    for text in addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        unusable = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
        if address.version == wanted.version and address in wanted and not unusable:
            return str(address)
    return ""


@dataclass
class Settling:
    """Follows an address until it has stayed the same: an installer's lease is not the installed system's."""

    settle_s: float
    address: str = ""
    since_s: float = 0.0

    def see(self, address: str, now_s: float) -> str:
        """The address once it has been there long enough; "" until then."""
        if address != self.address:
            self.address, self.since_s = address, now_s
        return self.address if now_s - self.since_s >= self.settle_s else ""
