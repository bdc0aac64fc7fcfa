"""What the values of a host table mean together, and what they refer to outside: every fault, in one go."""

import ipaddress
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from steps.domain import passwords
from steps.domain.errors import Fault, HerasphereError
from steps.domain.host import Iso
from steps.domain.model_faults import Form, did_you_mean
from steps.domain.source import Path, Source
from steps.domain.table import PER_HOST, REQUIRED, UNIQUE, SecretEntry, Table

NO_HOSTS = "hosts: followed by a list, each host beginning with '- name: esx01'"
FORM = Form(
    Table,
    "a host table",
    see="docs/host-table.md",
    keys="it has the keys defaults, hosts and rollout",
    lists={"hosts": NO_HOSTS},
)
MIN_DISK_GIB = 32  # ESXi 7 and later refuse a smaller disk that is neither USB nor SD


@dataclass(frozen=True)
class Surroundings:
    """What a table refers to outside itself. Both raise HerasphereError for what they cannot find.

    read_secret gives None for what cannot be read here but will be where the run happens.
    """

    read_secret: Callable[[SecretEntry], str | None]
    find_iso: Callable[[str], Iso]


class Found(NamedTuple):
    value: Any
    path: Path


@dataclass(frozen=True)
class Row:
    """One host of the table with the defaults behind it."""

    table: Table
    index: int

    def find(self, *keys: str) -> Found:
        """The value the host gives, else the default, and where it stands; value None when there is neither."""
        for entry, root in (
            (self.table.hosts[self.index], ("hosts", self.index)),
            (self.table.defaults, ("defaults",)),
        ):
            value: Any = entry
            for key in keys:
                value = getattr(value, key) if value is not None else None
            if value is not None:
                return Found(value, (*root, *keys))
        return Found(None, ("hosts", self.index))

    def get(self, *keys: str) -> Any:
        return self.find(*keys).value

    @property
    def label(self) -> str:
        return self.get("name") or f"host {self.index + 1}"


class TableCheck:
    """Collects the faults that several values make together, or that need a look at the surroundings."""

    def __init__(self, source: Source, removed: set[Path], faults: list[Fault], around: Surroundings) -> None:
        self.source = source
        self.removed = removed
        self.faults = faults
        self.around = around
        self.secrets: dict[str, str | None] = {}
        self.isos: dict[str, Iso | None] = {}

    def fault(self, path: Path, message: str, hint: str) -> None:
        self.faults.append(self.source.fault(path, message, hint))

    def table(self, table: Table, only: Collection[str]) -> None:
        for keys in PER_HOST:
            value: Any = table.defaults
            for key in keys:
                value = getattr(value, key) if value is not None else None
            if value is not None:
                self.fault(("defaults", *keys), f"a default {keys[-1]} would be every host's", "give it to each host")
        rows = [Row(table, index) for index in range(len(table.hosts))]
        if not rows:
            self.fault(("hosts",), "the table has no hosts", NO_HOSTS)
        for row in rows:
            self._complete(row)
            self._disk(row)
            self._network(row)
            self._references(row)
        self._unique(rows)
        names = [entry.name for entry in table.hosts if entry.name]
        for name in only:
            if name not in names:
                self.fault(("hosts",), f"there is no host {name!r} in the table", did_you_mean(name, names))

    def _complete(self, row: Row) -> None:
        for keys in REQUIRED:
            prefixes = [
                (*root, *keys[:n]) for root in (("hosts", row.index), ("defaults",)) for n in range(len(keys) + 1)
            ]
            if row.get(*keys) is None and not self.removed.intersection(prefixes):
                hint = "give it here" if keys in PER_HOST else "give it here or under defaults"
                self.fault(("hosts", row.index), f"{row.label} has no {'.'.join(keys)}", hint)

    def _disk(self, row: Row) -> None:
        disk, path = row.find("disk")
        if disk is None:
            return
        rule = disk.model_dump(exclude_none=True, exclude={"id"})
        if disk.id and rule:
            self.fault(path, "disk has both an id and a rule", "an id alone, or vendor, model, min_gib and max_gib")
        if not disk.id and not rule and not any(p[: len(path)] == path for p in self.removed):
            self.fault(path, "disk chooses nothing", "an id (naa.…), or a rule of vendor, model, min_gib, max_gib")
        if disk.max_gib and disk.min_gib and disk.max_gib < disk.min_gib:
            self.fault(path, f"max_gib {disk.max_gib} is less than min_gib {disk.min_gib}", "swap them")
        if disk.max_gib and disk.max_gib < MIN_DISK_GIB:
            self.fault(path, f"max_gib {disk.max_gib} is too small for ESXi", f"at least {MIN_DISK_GIB}")

    def _network(self, row: Row) -> None:
        address, path = row.find("network", "address")
        netmask, mask_path = row.find("network", "netmask")
        if address is None:
            return
        if "/" not in address and netmask is None:
            if not {("hosts", row.index, "network", "netmask"), ("defaults", "network", "netmask")} & self.removed:
                hint = "write 10.0.1.11/24, or give network.netmask here or under defaults"
                self.fault(path, f"{row.label} has no netmask", hint)
            return
        interface = ipaddress.IPv4Interface(address if "/" in address else f"{address}/{netmask}")
        if "/" in address and mask_path[0] == "hosts" and netmask not in (None, str(interface.netmask)):
            self.fault(mask_path, f"netmask {netmask} contradicts {address}", "give one of them")
        if not 1 <= interface.network.prefixlen <= 30:
            self.fault(path, f"/{interface.network.prefixlen} leaves no room for a gateway", "a prefix from 1 to 30")
            return
        self._addresses(row, interface, path)

    def _addresses(self, row: Row, interface: ipaddress.IPv4Interface, path: Path) -> None:
        subnet = interface.network
        if interface.ip in (subnet.network_address, subnet.broadcast_address):
            self.fault(path, f"{interface.ip} is the network or broadcast address of {subnet}", "a host's address")
        if interface.ip.is_multicast or interface.ip.is_unspecified or interface.ip.is_reserved:
            self.fault(path, f"{interface.ip} is no address a host can have", "a unicast address")
        gateway, gateway_path = row.find("network", "gateway")
        if gateway is not None:
            at = gateway_path if gateway_path[0] == "hosts" else path
            if ipaddress.IPv4Address(gateway) not in subnet:
                self.fault(at, f"gateway {gateway} is outside {row.label}'s subnet {subnet}", f"an address in {subnet}")
            if gateway == str(interface.ip):
                self.fault(at, f"{row.label} is its own gateway", "the router's address")
        bmc = row.get("bmc", "address")
        if bmc and bmc.split("://")[1] == str(interface.ip):
            self.fault(path, f"{row.label} has the address of its own BMC", "the address ESXi shall have")

    def _references(self, row: Row) -> None:
        for keys in (("bmc", "password"), ("bmc", "ca"), ("root_password",)):
            entry, path = row.find(*keys)
            if entry is None:
                continue
            text = self._secret(entry, path)
            if keys == ("root_password",) and text is not None:
                for reason in passwords.faults(text):
                    self.fault(path, f"ESXi would refuse the password in {entry}: {reason}", "choose a stronger one")
            if keys == ("bmc", "password") and text is not None and not text.isprintable():
                hint = "the password alone, on one line"
                self.fault(path, f"the password in {entry} has a line break, or what cannot be printed", hint)
            if keys == ("bmc", "ca") and text is not None and not _holds_certificates(text):
                self.fault(path, f"{entry} holds no PEM certificate", "a file that has -----BEGIN CERTIFICATE-----")
        iso, path = row.find("iso")
        if iso is not None and iso not in self.isos:
            try:
                self.isos[iso] = self.around.find_iso(iso)
            except HerasphereError as error:
                self.isos[iso] = None
                self.fault(path, f"{error.where}: {error.what}" if error.where else error.what, error.hint)

    def _secret(self, entry: SecretEntry, path: Path) -> str | None:
        name = str(entry)
        if name not in self.secrets:
            try:
                self.secrets[name] = self.around.read_secret(entry)
            except HerasphereError as error:
                self.secrets[name] = None
                self.fault(path, error.what, error.hint)
            else:
                if self.secrets[name] == "":
                    self.fault(path, f"{name} is empty", "put the secret there")
        return self.secrets[name] or None

    def _unique(self, rows: list[Row]) -> None:
        for keys, noun in UNIQUE:
            first: dict[str, Row] = {}
            for row in rows:
                value, path = row.find(*keys)
                if value is None or path[0] == "defaults":
                    continue
                value = value.split("/")[0] if keys == ("network", "address") else value
                if value.casefold() in first:
                    other = first[value.casefold()]
                    line = self.source.place(other.find(*keys).path).line
                    shown = value.split("://")[-1] if keys == ("bmc", "address") else value
                    self.fault(path, f"{noun} {shown} is used twice", f"line {line} gives it to {other.label}")
                else:
                    first[value.casefold()] = row


def _holds_certificates(pem: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):
        return False
    return True
