"""Facts out of Redfish documents: no network, no vendor library, so that recorded documents test it."""

import re
from collections.abc import Sequence
from typing import Any

from steps.domain.bmc import BmcFacts, Power

Document = dict[str, Any]

_POWER: dict[object, Power] = {
    "On": "on",
    "Off": "off",
    "PoweringOn": "turning-on",
    "PoweringOff": "turning-off",
}


def read_facts(system: Document, managers: Sequence[Document], nics: Sequence[Document]) -> BmcFacts:
    """What a ComputerSystem, its Managers and its EthernetInterfaces say; unknown where they say nothing."""
    bmc = next((each for each in managers if each.get("ManagerType") == "BMC"), managers[0] if managers else {})
    return BmcFacts(
        manufacturer=_text(system, "Manufacturer"),
        model=_text(system, "Model"),
        serial=_text(system, "SerialNumber"),
        uuid=_text(system, "UUID").lower(),
        bmc_model=_text(bmc, "Model"),
        bmc_firmware=_text(bmc, "FirmwareVersion"),
        macs=read_macs(nics),
        power=read_power(system),
        boot_progress=read_boot_progress(system),
    )


def read_power(system: Document) -> Power:
    return _POWER.get(system.get("PowerState"), "unknown")


def read_boot_progress(system: Document) -> str:
    progress = system.get("BootProgress")
    return _text(progress, "LastState") if isinstance(progress, dict) else ""


def read_macs(nics: Sequence[Document]) -> tuple[str, ...]:
    """Every NIC's permanent address and the one in use, each once, lower case with colons."""
    said = [nic.get(key) for nic in nics for key in ("PermanentMACAddress", "MACAddress")]
    macs = [_mac(value) for value in said if isinstance(value, str)]
    return tuple(dict.fromkeys(mac for mac in macs if mac))


def _mac(text: str) -> str:
    """Some BMCs write dashes or nothing between the bytes, and zeros or words where a port has no address."""
    digits = re.sub(r"[:.\-\s]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or not digits.strip("0"):
        return ""
    return ":".join(digits[start : start + 2] for start in range(0, 12, 2))


def _text(document: Document, key: str) -> str:
    value = document.get(key)
    return value.strip() if isinstance(value, str) else ""
