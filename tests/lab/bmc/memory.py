"""A machine of nothing but memory: it does what it is told and writes it down."""

from dataclasses import dataclass, field

from tests.lab.machine import FirmwareMode


@dataclass
class MemoryMachine:
    name: str = "esx01"
    uuid: str = "11111111-2222-3333-4444-555555555501"
    serial: str = "SN-0001"
    manufacturer: str = "Contoso"
    model: str = "Rack 3000"
    macs: tuple[str, ...] = ("52:54:00:00:01:01", "52:54:00:00:01:02")
    memory_mib: int = 4096
    cpus: int = 2
    is_on: bool = False
    image: str = ""
    done: list[str] = field(default_factory=list)  # each call that changed something

    def power_on(self, *, cd_first: bool, mode: FirmwareMode) -> None:
        self.is_on = True
        self.done.append(f"on from {'cd' if cd_first else 'disk'} in {mode}")

    def power_off(self) -> None:
        self.is_on = False
        self.done.append("off")

    def press_power_button(self) -> None:
        self.is_on = not self.is_on
        self.done.append("button")

    def insert(self, url: str) -> None:
        self.image = url
        self.done.append(f"insert {url}")

    def eject(self) -> None:
        self.image = ""
        self.done.append("eject")

    def boot_progress(self) -> str:
        return "OSRunning" if self.is_on else "None"

    def close(self) -> None:
        self.is_on = False
