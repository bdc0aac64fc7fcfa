"""Sound values for tests, each to be changed where a test needs it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from steps.domain.esxi import EsxiFacts, EsxiSeen
from steps.domain.host import Bmc, Disk, Host, Iso, Network, SecretRef
from steps.domain.media import Callback, CallbackEvent, Lease, Mark

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ISO = Iso(sha256="ab" * 32, name="esxi.iso", size_bytes=1000, version="8.0.3", build="24022510")
HOST = Host(
    name="esx01",
    serial="7XK2P13",
    bmc=Bmc(url="https://10.0.0.11", username="root", password=SecretRef(name="herasphere-desk", key="env.BMC")),
    iso=ISO,
    disk=Disk(model="DELLBOSS VD"),
    network=Network(
        mac="b0:7b:25:aa:00:01",
        address="10.0.1.11",
        netmask="255.255.255.0",
        gateway="10.0.1.1",
        hostname="esx01.example.com",
    ),
    root_password=SecretRef(name="herasphere-desk", key="env.ROOT"),
)
OLD = EsxiSeen(thumbprint="01d" * 8, product="embeddedEsx", version="7.0.3", build="19482537")
NEW = EsxiSeen(thumbprint="4ef" * 8, product="embeddedEsx", version="8.0.3", build="24022510")


def lease(**changes: Any) -> Lease:
    """A live lease of run `run-1` for HOST on which nothing has happened yet."""
    values: dict[str, Any] = {
        "run": "run-1",
        "host": HOST.name,
        "serial": HOST.serial,
        "iso": ISO,
        "url": "http://10.0.0.5:8000/m/token/esxi.iso",
        "callback_url": "http://10.0.0.5:8000/m/token/cb",
        "size_bytes": 1000 << 20,
        "expires_at": START + timedelta(hours=5),
        "revoked": False,
        "now": START,
        "bytes_served": 0,
        "bytes_covered": 0,
        "first_read_at": None,
        "last_read_at": None,
        "kickstart_read_at": None,
        "callbacks": (),
        "marks": (),
    }
    return Lease(**values | changes)


def mark(name: str, value: str = "") -> Mark:
    return Mark(name=name, value=value, at=START)


def callback(event: CallbackEvent, text: str = "") -> Callback:
    return Callback(event=event, text=text, at=START)


def facts(**changes: Any) -> EsxiFacts:
    """What HOST shows after a sound installation."""
    values: dict[str, Any] = {
        "thumbprint": NEW.thumbprint,
        "version": "8.0.3",
        "build": "24022510",
        "serial": HOST.serial,
        "uuid": "4c4c4544",
        "hostname": "esx01.example.com",
        "addresses": ("10.0.1.11",),
        "macs": ("b0:7b:25:aa:00:01",),
        "disks": ("naa.1",),
        "system_disks": ("naa.1",),
        "install_date": START,
        "boot_time": START,
        "now": START,
    }
    return EsxiFacts(**values | changes)
