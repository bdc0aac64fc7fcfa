"""Hosts to make kickstarts of."""

from typing import Any

from steps.domain import kickstart
from steps.domain.host import Bmc, Disk, Host, Iso, Network, SecretRef

HASH = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
INCLUDE = "/tmp/herasphere-install.ks"


def network(**changes: Any) -> Network:
    values = {
        "mac": "52:54:00:aa:bb:cc",
        "address": "10.0.1.11",
        "netmask": "255.255.255.0",
        "gateway": "10.0.1.1",
        "hostname": "esx01.example.com",
    }
    return Network.model_validate(values | changes)


def host(**changes: Any) -> Host:
    values = {
        "name": "esx01",
        "serial": "3BFS4T3",
        "bmc": Bmc(url="https://10.0.0.11", username="admin", password=SecretRef(name="bmc", key="password")),
        "iso": Iso(sha256="0" * 64, name="esxi.iso", size_bytes=1, version="8.0.3", build="24022510"),
        "disk": Disk(id="naa.6d09466044143600247aee55ca2a6405"),
        "network": network(),
        "root_password": SecretRef(name="root", key="password"),
    }
    return Host.model_validate(values | changes)


def render(host: Host, callback_url: str = "") -> str:
    return kickstart.render(host, root_password_hash=HASH, callback_url=callback_url)
