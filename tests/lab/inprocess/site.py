"""A whole site in one process: servers, their BMCs behind TLS, an ISO, and a host table for `hera`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml

from tests.lab.bmc import Emulator, serve
from tests.lab.certificates import Authority
from tests.lab.inprocess.clock import HostClock
from tests.lab.inprocess.installation import LabDisk
from tests.lab.inprocess.iso import make_iso
from tests.lab.inprocess.machine import InProcessMachine
from tests.lab.inprocess.options import Delays, Faults

BMC_USER, BMC_PASSWORD, ROOT_PASSWORD = "admin", "c0rrect horse", "Str0ng!Enough#1"


@dataclass
class Wanted:
    """One server of the site, and how its row in the table differs from what it is."""

    faults: Faults = field(default_factory=Faults)
    delays: Delays = field(default_factory=Delays)
    disks: Sequence[LabDisk] = ()
    clock: HostClock | None = None
    boot_mode: str = "uefi"
    row: dict[str, Any] = field(default_factory=dict)  # merged over the row that describes it truly


TWO_SERVERS = (Wanted(), Wanted(boot_mode="bios"))


@dataclass
class Server:
    machine: InProcessMachine
    bmc: Emulator


@dataclass
class InProcessSite:
    """What is running, and where its table is."""

    table: Path
    iso: Path
    servers: list[Server]


@contextmanager
def site(
    folder: Path,
    wanted: Sequence[Wanted] = TWO_SERVERS,
    *,
    address: str = "127.0.0.1",
    series: str = "LAB",
    iso_name: str = "esxi.iso",
    rollout: Mapping[str, Any] | None = None,
    **defaults: Any,
) -> Iterator[InProcessSite]:
    """Servers esx01, esx02, ... for as long as the context lasts. `rollout` and `defaults` go into the table's.

    address: of this machine, at which BMCs and hosts listen: pods of a cluster do not reach the loopback
    series: what serial numbers begin with; two sites on one cluster need two, for who installs a host locks it
    iso_name: two sites on one cluster need two, for a media service knows ISOs by their names
    """
    authority = Authority("herasphere lab")
    (folder / "ca.pem").write_text(authority.pem)
    (folder / "bmc-password").write_text(BMC_PASSWORD + "\n")
    (folder / "root-password").write_text(ROOT_PASSWORD + "\n")
    iso = make_iso(folder / iso_name)
    cert, key = authority.issue(address, folder)
    with ExitStack() as stack:
        servers, rows = [], []
        for number, one in enumerate(wanted, start=1):
            machine = InProcessMachine(
                f"esx{number:02}",
                serial=f"{series}{number:04}",
                macs=(f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}",),
                disks=one.disks,
                clock=one.clock,
                delays=one.delays,
                faults=one.faults,
                api=(address, 0),
            )
            stack.callback(machine.close)
            bmc = stack.enter_context(
                serve(machine, host=address, username=BMC_USER, password=BMC_PASSWORD, cert=cert, key=key)
            )
            servers.append(Server(machine, bmc))
            rows.append(_row(number, one, machine, bmc))
        table = folder / "hosts.yaml"
        settings = {"defaults": _defaults() | {"iso": iso_name} | defaults, "hosts": rows} | (
            {"rollout": dict(rollout)} if rollout else {}
        )
        table.write_text(yaml.safe_dump(settings, sort_keys=False))
        yield InProcessSite(table, iso, servers)


def _defaults() -> dict[str, Any]:
    return {
        "root_password": {"file": "root-password"},
        "bmc": {"username": BMC_USER, "password": {"file": "bmc-password"}, "ca": {"file": "ca.pem"}},
        "network": {"netmask": "255.255.252.0", "gateway": "10.99.0.1", "domain": "lab.test"},
        "disk": {"model": "LAB DISK"},
        "timeouts": {"boot_s": 60, "load_s": 60, "install_s": 60, "reboot_s": 60},
    }


def _row(number: int, one: Wanted, machine: InProcessMachine, bmc: Emulator) -> dict[str, Any]:
    host, port = machine.api_address
    row: dict[str, Any] = {
        "name": machine.name,
        "serial": machine.serial,
        "boot_mode": one.boot_mode,
        "bmc": {"address": bmc.url},
        "network": {"mac": machine.macs[0], "address": str(ip_address("10.99.0.100") + number)},
        "api": f"{host}:{port}",
    }
    return row | one.row
