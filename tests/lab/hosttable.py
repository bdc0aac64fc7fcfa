"""The host table of a simulated site. The one place in the lab that knows the table's format."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# One step may be slow where two servers are emulated on two cores, but never so slow as real hardware.
TIMEOUTS = {"boot_s": 240, "load_s": 120, "install_s": 300, "reboot_s": 300}


@dataclass(frozen=True)
class HostRow:
    """What the table says of one server."""

    name: str
    serial: str
    bmc_address: str
    boot_mode: str
    mac: str
    address: str
    disk_id: str


def host_table(
    rows: Sequence[HostRow], *, iso: Path, username: str, secrets: Path, netmask: str, gateway: str, domain: str
) -> dict[str, Any]:
    """The table as data. Odd hosts name their disk by its id, even ones by a rule that fits exactly one."""
    hosts = [
        {
            "name": row.name,
            "serial": row.serial,
            "bmc": {"address": row.bmc_address},
            "boot_mode": row.boot_mode,
            "network": {"mac": row.mac, "address": row.address, "hostname": f"{row.name}.{domain}"},
            "disk": {"vendor": "ATA", "min_gib": 100} if number % 2 else {"id": row.disk_id},
        }
        for number, row in enumerate(rows)
    ]
    defaults = {
        "iso": str(iso),
        "root_password": {"file": str(secrets / "root-password")},
        "bmc": {
            "username": username,
            "password": {"file": str(secrets / "bmc-password")},
            "ca": {"file": str(secrets / "ca.pem")},
        },
        "network": {"netmask": netmask, "gateway": gateway, "nameservers": [gateway]},
        "overwrite_vmfs": True,  # the lab's disks are nobody's
        "timeouts": dict(TIMEOUTS),
    }
    return {"defaults": defaults, "hosts": hosts}


def write_host_table(path: Path, table: dict[str, Any]) -> None:
    path.write_text("# Written by `python -m tests.lab up`.\n" + yaml.safe_dump(table, sort_keys=False))
