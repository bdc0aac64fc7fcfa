"""Tables for the terminal: aligned columns, no frames, no colour needed to read them."""

from collections.abc import Sequence

from steps.domain.plan import InstallPlan


def columns(rows: Sequence[Sequence[str]]) -> str:
    """The rows with their columns aligned; trailing blanks dropped."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def plan_text(plan: InstallPlan) -> str:
    """What the plan will do, a line per host."""
    head = ("HOST", "SERIAL", "BMC", "BOOT", "ESXI", "ADDRESS", "ERASES")
    rows = [
        (
            host.name + (" (protected)" if host.protected else ""),
            host.serial,
            host.bmc.address,
            host.boot_mode,
            f"{host.iso.version} build {host.iso.build}",
            f"{host.network.address} vlan {host.network.vlan}" if host.network.vlan else host.network.address,
            str(host.disk) + (", VMFS included" if host.overwrite_vmfs else ""),
        )
        for host in plan.hosts
    ]
    return columns([head, *rows]) + f"\n{len(rows)} host{'s' if len(rows) != 1 else ''}, {plan.limit} at a time"
