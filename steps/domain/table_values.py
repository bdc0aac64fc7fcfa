"""What a single value of a host table must look like; each refusal has its hint."""

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from steps.domain.host import MAX_NAMESERVERS

KEYBOARDS = (
    "Belgian", "Brazilian", "Croatian", "Czechoslovakian", "Danish", "Estonian", "Finnish", "French", "German",
    "Greek", "Icelandic", "Italian", "Japanese", "Latin American", "Norwegian", "Polish", "Portuguese", "Russian",
    "Slovenian", "Spanish", "Swedish", "Swiss French", "Swiss German", "Turkish", "UK", "Ukrainian", "US Default",
    "US Dvorak",
)  # fmt: skip


def wrong(message: str, hint: str) -> PydanticCustomError:
    """A fault of one value, with its hint."""
    return PydanticCustomError("herasphere", "{message}", {"message": message, "hint": hint})


def _mac(value: str) -> str:
    digits = re.sub(r"[:.\-]", "", value).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or not re.fullmatch(r"[0-9A-Fa-f:.\-]+", value):
        raise wrong(f"{value!r} is no MAC address", "six pairs of hex digits: 52:54:00:12:34:56")
    mac = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
    if int(digits[:2], 16) & 1 or digits == "0" * 12:
        raise wrong(f"{mac} is a group or empty address, no NIC has it", "use the MAC of the management NIC")
    return mac


def _ipv4(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise wrong(f"{value!r} is no IPv4 address", "four numbers from 0 to 255: 10.0.1.11") from None


def _ipv4_interface(value: str) -> str:
    try:
        interface = ipaddress.IPv4Interface(value)
    except ValueError:
        raise wrong(f"{value!r} is no IPv4 address", "10.0.1.11, or with the prefix length: 10.0.1.11/24") from None
    return str(interface) if "/" in value else str(interface.ip)


def _netmask(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(f"0.0.0.0/{value.lstrip('/')}")
    except ValueError:
        raise wrong(f"{value!r} is no netmask", "255.255.255.0, or the prefix length: 24") from None
    if not 1 <= network.prefixlen <= 30 or ("." in value and str(network.netmask) != value):
        raise wrong(f"{value!r} is no netmask a host can have", "255.255.255.0, or the prefix length: 24")
    return str(network.netmask)


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", value):
        hint = "at most 40 lower-case letters, digits and '-': it names the host's workflow"
        raise wrong(f"{value!r} is no short name", hint)
    return value


def _hostname(value: str) -> str:
    labels = value.lower().split(".")
    if len(value) > 200 or not all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels):
        raise wrong(f"{value!r} is no host name", "letters, digits and '-', parts joined by '.': esx01.example.com")
    if labels[-1].isdigit():
        raise wrong(f"{value!r} ends in a number, as an address does", "esx01.example.com")
    return value.lower()


def _bmc_address(value: str) -> str:
    match = re.fullmatch(r"(?i:(https?)://)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?/?", value)
    if not match or (match[3] and not 0 < int(match[3]) < 65536):
        raise wrong(f"{value!r} is no BMC address", "10.0.0.11, bmc01.example.com or https://10.0.0.11:8443")
    host = match[2]
    if re.fullmatch(r"[0-9.]+", host):
        _ipv4(host)
    elif host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise wrong(f"{value!r} is no BMC address", "an IPv6 address in brackets: [fd00::11]") from None
    else:
        _hostname(host)
    return f"{(match[1] or 'https').lower()}://{host.lower()}" + (f":{match[3]}" if match[3] else "")


def _text(value: str) -> str:
    if not value.isascii() or not value.isprintable() or not value.strip():
        raise wrong(
            f"{value!r} is empty or has characters outside printable ASCII", "ESXi's installer reads ASCII only"
        )
    return value.strip()


def _keyboard(value: str) -> str:
    by_lower = {name.lower(): name for name in KEYBOARDS}
    if value.lower() not in by_lower:
        raise wrong(f"ESXi has no keyboard {value!r}", "one of: " + ", ".join(KEYBOARDS))
    return by_lower[value.lower()]


def _disk_id(value: str) -> str:
    value = value.removeprefix("/vmfs/devices/disks/")
    if not re.fullmatch(r"(naa|eui|t10|mpx)\.[!-~]{3,200}", value):
        hint = "naa., eui. or t10. name as `esxcli storage core device list` shows it; else choose by model and size"
        raise wrong(f"{value!r} is no stable disk id", hint)
    return value


def _endpoint(value: str) -> str:
    match = re.fullmatch(r"([A-Za-z0-9.-]+):(\d{1,5})", value)
    if not match or not 0 < int(match[2]) < 65536:
        raise wrong(f"{value!r} is no host:port", "127.0.0.1:8443")
    return value


def _in_bounds(name: str, low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise wrong(f"{name} {value} is outside {low} to {high}", f"a whole number from {low} to {high}")
        return value

    return AfterValidator(check)


def _vlan(value: int) -> int:
    if not 0 <= value <= 4094 or value == 1:
        hint = "2 to 4094 for a tagged port; 0, or left out, for an untagged one"
        raise wrong(f"VLAN {value} cannot be asked of ESXi's installer", hint)
    return value


def _nameservers(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > MAX_NAMESERVERS:
        raise wrong(f"{len(value)} name servers", f"ESXi's installer takes {MAX_NAMESERVERS} and drops the rest")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, AfterValidator(_text)]
Mac = Annotated[str, AfterValidator(_mac)]
Ipv4 = Annotated[str, AfterValidator(_ipv4)]
Ipv4Interface = Annotated[str, AfterValidator(_ipv4_interface)]
Netmask = Annotated[str, AfterValidator(_netmask)]
Vlan = Annotated[int, AfterValidator(_vlan)]
Nameservers = Annotated[tuple[Ipv4, ...], BeforeValidator(_listed), AfterValidator(_nameservers)]
Hostname = Annotated[str, AfterValidator(_hostname)]
BmcAddress = Annotated[str, AfterValidator(_bmc_address)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
DiskId = Annotated[str, AfterValidator(_disk_id)]
Keyboard = Annotated[str, AfterValidator(_keyboard)]
MinGib = Annotated[int, _in_bounds("min_gib", 1, 1_000_000)]
MaxGib = Annotated[int, _in_bounds("max_gib", 1, 1_000_000)]
Seconds = Annotated[int, _in_bounds("time", 1, 86_400)]
Limit = Annotated[int, _in_bounds("limit", 1, 1000)]
