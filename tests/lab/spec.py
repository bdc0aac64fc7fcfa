"""What a simulated site consists of, as plain data: kept as JSON in the site's folder, read by its processes."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

BootMode = Literal["uefi", "bios"]


@dataclass(frozen=True)
class OldInstallation:
    """An ESXi that is on the server's disk when the site comes up."""

    password: str
    installed_days_ago: float = 100
    version: str = "8.0.3"
    build: str = "24022510"


@dataclass(frozen=True)
class ServerSpec:
    """One server and its BMC."""

    name: str
    serial: str
    boot_mode: BootMode = "uefi"
    manufacturer: str = "Herasphere"
    model: str = "Lab Server"
    disk_gib: tuple[int, ...] = (160,)
    memory_mib: int = 768
    cpus: int = 2
    clock_offset_s: int = 0
    boots_cd: bool = True  # False: it never boots its CD, whatever its BMC is told
    old_installation: OldInstallation | None = None
    is_on: bool = False  # started from its disk when the site comes up
    behaviour: dict[str, Any] = field(default_factory=dict)  # of the BMC: fields of tests.lab.bmc.Behaviour

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ServerSpec":
        old = data.get("old_installation")
        values = {
            **data,
            "disk_gib": tuple(data["disk_gib"]),
            "old_installation": OldInstallation(**old) if old else None,
        }
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "disk_gib": list(self.disk_gib)}


def default_servers(count: int) -> tuple[ServerSpec, ...]:
    """So many blank servers; every second one starts by BIOS."""
    return tuple(
        ServerSpec(name=f"esx{number:02}", serial=f"LAB{number:04}", boot_mode="uefi" if number % 2 else "bios")
        for number in range(1, count + 1)
    )
