"""From a host table to the plan: what will be installed where. All faults of a table are found in one go."""

import ipaddress
from collections.abc import Collection
from hashlib import sha256

from steps.domain.errors import ConfigError, Refused
from steps.domain.host import Bmc, Disk, Frozen, Host, Network, Timeouts
from steps.domain.model_faults import check_values
from steps.domain.source import read
from steps.domain.table import DiskEntry
from steps.domain.table_checks import FORM, Row, Surroundings, TableCheck


class InstallPlan(Frozen):
    """What `install-hosts` will do, without secrets."""

    hosts: tuple[Host, ...]
    limit: int


def plan_install(
    text: str | bytes, file: str, around: Surroundings, *, only: Collection[str] = (), reinstall: bool = False
) -> InstallPlan:
    """The plan for the hosts of this table, or ConfigError with every fault in it.

    only:      names of the hosts to take; empty means all
    reinstall: a VMFS found on the chosen disk may be written over
    """
    source = read(text, file)
    table, faults, removed = check_values(source, FORM)
    check = TableCheck(source, removed, source.faults + faults, around)
    if table is not None:
        check.table(table, only)
    if check.faults or table is None:
        raise ConfigError(sorted(set(check.faults)))
    picked = [i for i, entry in enumerate(table.hosts) if not only or entry.name in only]
    return InstallPlan(hosts=tuple(_host(Row(table, i), check, reinstall) for i in picked), limit=table.rollout.limit)


def digest_of(plan: InstallPlan) -> str:
    """Names the plan's content: what a person confirmed is what runs."""
    return sha256(plan.model_dump_json().encode()).hexdigest()[:16]


def refuse_protected(plan: InstallPlan) -> None:
    """Raise Refused if the plan contains hosts which the table protects."""
    names = [host.name for host in plan.hosts if host.protected]
    if names:
        raise Refused(
            f"the table protects {', '.join(names)}",
            where="the plan",
            hint="leave them out (--only HOST for each of the others), or take `protected: true` from the table",
        )


def _host(row: Row, check: TableCheck, reinstall: bool) -> Host:
    iso = check.isos[row.get("iso")]
    assert iso is not None  # a missing one is a fault, and there are none
    ca = row.get("bmc", "ca")
    verify = row.get("bmc", "verify_tls")
    timeouts = {key: row.get("timeouts", key) for key in Timeouts.model_fields}
    settings = {key: row.get(key) for key in ("boot_mode", "keyboard", "protected", "proof", "api")}
    return Host(
        name=row.get("name"),
        serial=row.get("serial"),
        bmc=Bmc(
            url=row.get("bmc", "address"),
            username=row.get("bmc", "username"),
            password=row.get("bmc", "password").ref,
            verify_tls=True if verify is None else verify,
            ca=ca.ref if ca else None,
        ),
        iso=iso,
        disk=_disk(row.get("disk")),
        network=_network(row),
        root_password=row.get("root_password").ref,
        timeouts=Timeouts(**{key: value for key, value in timeouts.items() if value is not None}),
        overwrite_vmfs=bool(row.get("overwrite_vmfs")) or reinstall,
        **{key: value for key, value in settings.items() if value is not None},
    )


def _disk(entry: DiskEntry) -> Disk:
    return Disk(**entry.model_dump(exclude_none=True))


def _network(row: Row) -> Network:
    address = row.get("network", "address")
    interface = ipaddress.IPv4Interface(address if "/" in address else f"{address}/{row.get('network', 'netmask')}")
    domain = row.get("network", "domain")
    name = row.get("name")
    return Network(
        mac=row.get("network", "mac"),
        address=str(interface.ip),
        netmask=str(interface.netmask),
        gateway=row.get("network", "gateway"),
        vlan=row.get("network", "vlan") or 0,
        nameservers=row.get("network", "nameservers") or (),
        hostname=row.get("network", "hostname") or (f"{name}.{domain}" if domain else name),
    )
