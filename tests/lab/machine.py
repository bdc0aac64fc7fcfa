"""The server behind an emulated BMC, whatever it is made of."""

from typing import Literal, Protocol

FirmwareMode = Literal["UEFI", "Legacy"]


class Machine(Protocol):
    """A server with a power button, one disk and one virtual CD."""

    name: str
    uuid: str
    serial: str
    manufacturer: str
    model: str
    macs: tuple[str, ...]
    memory_mib: int
    cpus: int

    @property
    def is_on(self) -> bool: ...

    def power_on(self, *, cd_first: bool, mode: FirmwareMode) -> None:
        """Start. `cd_first` holds for this start only: a reboot from inside starts from the disk."""

    def power_off(self) -> None: ...

    def press_power_button(self) -> None:
        """Ask the operating system to shut down."""

    def insert(self, url: str) -> None:
        """Put the ISO at this URL into the virtual CD; a running machine sees it."""

    def eject(self) -> None: ...

    def boot_progress(self) -> str:
        """Redfish BootProgress.LastState."""

    def close(self) -> None:
        """Power off and let go of everything held."""
