"""What a BMC says of itself and its server, in this project's words."""

from typing import Literal

from steps.domain.host import Frozen

Power = Literal["on", "off", "turning-on", "turning-off", "unknown"]


class BmcFacts(Frozen):
    """Read from the BMC without changing anything; empty strings where the BMC does not say."""

    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    uuid: str = ""
    bmc_model: str = ""
    bmc_firmware: str = ""
    macs: tuple[str, ...] = ()  # lower case with colons; empty where the BMC lists no NICs
    power: Power = "unknown"
    boot_progress: str = ""  # Redfish BootProgress.LastState


class VirtualCd(Frozen):
    """The virtual CD slot that herasphere uses on this BMC."""

    slot: str  # path of the resource
    inserted: bool
    image: str  # URL of what is inserted, "" when nothing is


class BootOverride(Frozen):
    """The one-time or lasting boot override; enabled == "Disabled" when there is none."""

    enabled: Literal["Disabled", "Once", "Continuous"]
    target: str  # Redfish BootSource: None, Cd, UsbCd, Hdd, ...
    mode: str  # UEFI, Legacy, or "" where the BMC does not say
