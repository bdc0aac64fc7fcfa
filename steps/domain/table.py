"""The host table as people write it: `defaults`, `hosts`, `rollout`. Every key, its type and its meaning.

A value under `defaults` holds for each host that does not give its own. Here each value is checked alone; what values
mean together (twice the same address, a gateway outside the subnet) is `table_checks`; what they become is `plan`.
"""

import re
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from steps.domain.host import DESK_SECRET, BootMode, Proof, SecretRef
from steps.domain.table_values import (
    BmcAddress,
    DiskId,
    Endpoint,
    Hostname,
    Ipv4,
    Ipv4Interface,
    Keyboard,
    Limit,
    Mac,
    MaxGib,
    MinGib,
    Name,
    Nameservers,
    Netmask,
    Seconds,
    Text,
    Vlan,
    wrong,
)


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
            raise wrong("a secret itself may not stand here", f"name where it comes from: {hint}")
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
    address: BmcAddress | None = Field(
        None, description="address or name of the BMC, with port or scheme where they are not 443 and https"
    )
    username: Text | None = None
    password: SecretEntry | None = None
    verify_tls: bool | None = Field(None, description="false: accept any certificate (default true)")
    ca: SecretEntry | None = Field(None, description="PEM certificates to verify the BMC's certificate with")


class DiskEntry(Entry):
    id: DiskId | None = Field(None, description="naa., eui., t10. or mpx. name")
    vendor: Text | None = None
    model: Text | None = Field(None, description="the whole model name, case and outer blanks aside")
    min_gib: MinGib | None = None
    max_gib: MaxGib | None = None


class NetworkEntry(Entry):
    mac: Mac | None = Field(None, description="of the management NIC")
    address: Ipv4Interface | None = Field(None, description="10.0.1.11 or 10.0.1.11/24")
    netmask: Netmask | None = None
    gateway: Ipv4 | None = None
    vlan: Vlan | None = Field(None, description="0 or left out: untagged")
    nameservers: Nameservers | None = None
    hostname: Hostname | None = Field(None, description="default: name and domain")
    domain: Hostname | None = None


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
    keyboard: Keyboard | None = None
    overwrite_vmfs: bool | None = Field(None, description="let the installer write over a VMFS on the chosen disk")
    proof: Proof | None = None
    timeouts: TimeoutsEntry | None = None
    api: Endpoint | None = Field(
        None, description="host:port where ESXi's API is reached from here, if not at its address on port 443"
    )


class RolloutEntry(Entry):
    limit: Limit = Field(10, description="hosts installed at the same time")


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
