"""The host table as people write it: `defaults`, `hosts`, `rollout`. Every key, its type and its meaning.

A value under `defaults` holds for each host that does not give its own. Here each value is checked alone; what values
mean together (twice the same address, a gateway outside the subnet) is `table_checks`; what they become is `plan`.
"""

import ipaddress
import re
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from steps.domain.host import BootMode, Proof, SecretRef
from steps.domain.kickstart import MAX_NAMESERVERS

DESK_SECRET = "herasphere-desk"  # holds what env: and file: references meant at the desk

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
Ipv4 = Annotated[str, AfterValidator(_ipv4)]


class Entry(BaseModel):
    """A mapping of the table; a key it does not know is a fault, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretEntry(Entry):
    """Where a secret comes from; the secret itself never stands in the table."""

    env: str | None = Field(None, description="environment variable at the desk")
    file: str | None = Field(
        None, description="file at the desk, relative to the table's folder; its last newline is dropped"
    )
    secret: str | None = Field(None, description="name of a Kubernetes Secret in the workflows' namespace")
    key: str | None = Field(None, description="key in that Secret")

    @model_validator(mode="before")
    @classmethod
    def _is_a_reference(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            hint = "{env: NAME}, {file: PATH} or {secret: NAME, key: KEY}"
            raise wrong("a secret itself may not stand in the table", f"name where it comes from: {hint}")
        return value

    @model_validator(mode="after")
    def _is_one_reference(self) -> "SecretEntry":
        given = [name for name in ("env", "file", "secret") if getattr(self, name)]
        if len(given) != 1 or bool(self.key) != bool(self.secret):
            raise wrong(
                "not one secret reference", "exactly one of {env: NAME}, {file: PATH}, {secret: NAME, key: KEY}"
            )
        if self.env and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.env):
            raise wrong(f"{self.env!r} is no environment variable", "letters, digits and '_'")
        if self.secret and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", self.secret):
            raise wrong(f"{self.secret!r} is no name of a Kubernetes Secret", "lower-case letters, digits, '-' and '.'")
        if self.key and not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", self.key):
            raise wrong(f"{self.key!r} is no key of a Kubernetes Secret", "letters, digits, '-', '_' and '.'")
        return self

    @property
    def ref(self) -> SecretRef:
        """Where the steps find it; the same at the desk and in a pod, as it depends on the table's text alone."""
        if self.env:
            return SecretRef(name=DESK_SECRET, key=f"env.{self.env}")
        if self.file:
            return SecretRef(name=DESK_SECRET, key=f"file.{sha256(self.file.encode()).hexdigest()[:16]}")
        return SecretRef(name=self.secret or "", key=self.key or "")

    def __str__(self) -> str:
        if self.secret:
            return f"Kubernetes Secret {self.secret}/{self.key}"
        return f"environment variable {self.env}" if self.env else f"file {self.file}"


class BmcEntry(Entry):
    address: Annotated[str, AfterValidator(_bmc_address)] | None = Field(
        None, description="address or name of the BMC, with port or scheme where they are not 443 and https"
    )
    username: Text | None = None
    password: SecretEntry | None = None
    verify_tls: bool | None = Field(None, description="false: accept any certificate (default true)")
    ca: SecretEntry | None = Field(None, description="PEM certificates to verify the BMC's certificate with")


class DiskEntry(Entry):
    id: Annotated[str, AfterValidator(_disk_id)] | None = Field(None, description="naa., eui., t10. or mpx. name")
    vendor: Text | None = None
    model: Text | None = Field(None, description="the whole model name, case and outer blanks aside")
    min_gib: Annotated[int, _in_bounds("min_gib", 1, 1_000_000)] | None = None
    max_gib: Annotated[int, _in_bounds("max_gib", 1, 1_000_000)] | None = None


class NetworkEntry(Entry):
    mac: Annotated[str, AfterValidator(_mac)] | None = Field(None, description="of the management NIC")
    address: Annotated[str, AfterValidator(_ipv4_interface)] | None = Field(
        None, description="10.0.1.11 or 10.0.1.11/24"
    )
    netmask: Annotated[str, AfterValidator(_netmask)] | None = None
    gateway: Ipv4 | None = None
    vlan: Annotated[int, AfterValidator(_vlan)] | None = Field(None, description="0 or left out: untagged")
    nameservers: Annotated[tuple[Ipv4, ...], BeforeValidator(_listed), AfterValidator(_nameservers)] | None = None
    hostname: Annotated[str, AfterValidator(_hostname)] | None = Field(None, description="default: name and domain")
    domain: Annotated[str, AfterValidator(_hostname)] | None = None


Seconds = Annotated[int, _in_bounds("time", 1, 86400)]


class TimeoutsEntry(Entry):
    boot_s: Seconds | None = Field(None, description="from power-on until the BMC reads the ISO")
    load_s: Seconds | None = Field(None, description="without a new byte of the ISO being read")
    install_s: Seconds | None = Field(None, description="from the kickstart being read until the installer is done")
    reboot_s: Seconds | None = Field(None, description="from then until the installed ESXi answers")


class HostEntry(Entry):
    """One host, or the defaults for all of them."""

    name: Name | None = Field(None, description="short name, unique in the table")
    serial: Text | None = Field(None, description="serial number of the server, as the BMC tells it")
    protected: bool | None = Field(None, description="true: refuse to touch this host")
    bmc: BmcEntry | None = None
    boot_mode: BootMode | None = None
    iso: str | None = Field(
        None, description="ESXi ISO: a path relative to the table's folder, or a name the media service knows"
    )
    disk: DiskEntry | None = None
    network: NetworkEntry | None = None
    root_password: SecretEntry | None = None
    keyboard: Annotated[str, AfterValidator(_keyboard)] | None = None
    overwrite_vmfs: bool | None = Field(None, description="let the installer write over a VMFS on the chosen disk")
    proof: Proof | None = None
    timeouts: TimeoutsEntry | None = None
    api: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        None, description="host:port where ESXi's API is reached from here, if not at its address on port 443"
    )


class RolloutEntry(Entry):
    limit: Annotated[int, _in_bounds("limit", 1, 1000)] = Field(10, description="hosts installed at the same time")


class Table(Entry):
    """A file that `hera run install-hosts -f` takes."""

    defaults: HostEntry = HostEntry()
    hosts: tuple[HostEntry, ...]
    rollout: RolloutEntry = RolloutEntry()


REQUIRED = (
    ("name",),
    ("serial",),
    ("bmc", "address"),
    ("bmc", "username"),
    ("bmc", "password"),
    ("iso",),
    ("network", "mac"),
    ("network", "address"),
    ("network", "gateway"),
    ("root_password",),
    ("disk",),
)

UNIQUE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("name",), "name"),
    (("serial",), "serial number"),
    (("bmc", "address"), "BMC address"),
    (("network", "mac"), "MAC address"),
    (("network", "address"), "address"),
    (("network", "hostname"), "host name"),
    (("api",), "API endpoint"),
)

PER_HOST = frozenset(path for path, _ in UNIQUE)  # a default for these would be given to every host

Where = Literal["host", "defaults"]
