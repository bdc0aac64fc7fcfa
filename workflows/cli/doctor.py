"""`hera doctor`: is everything here that a run needs?"""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from steps.domain.errors import ConfigError, HerasphereError
from steps.domain.plan import InstallPlan
from workflows.backends.media_process import address_towards
from workflows.cli.finding import Finding
from workflows.cli.options import desk_of, state_folder
from workflows.cli.vcenter import look_at
from workflows.defaults import VERSION

CONNECT_TIMEOUT_S = 5.0


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(doctor)


def doctor(
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="look at this host table's surroundings too")
    ] = None,
    vcenter: Annotated[
        list[Path] | None,
        typer.Option("--vcenter", metavar="FILE", help="look at the vCenter of these image settings too; repeatable"),
    ] = None,
) -> None:
    """Look at this machine, at the way to the servers of a table, and at a vCenter; change nothing."""
    findings = [*_this_machine(), *(_table(file) if file else ()), *(look_at(vcenter) if vcenter else ())]
    for finding in findings:
        print(f"{'ok   ' if finding.is_well else 'FAULT'}  {finding.what}: {finding.found}")
        if not finding.is_well:
            print(f"       ({finding.hint})")
    faults = sum(not finding.is_well for finding in findings)
    print(f"{faults} fault{'s' if faults != 1 else ''}" if faults else "no fault", file=sys.stderr)
    raise typer.Exit(1 if faults else 0)


def _this_machine() -> Iterator[Finding]:
    yield Finding("herasphere", f"{VERSION}, Python {sys.version.split()[0]}")
    yield _script()
    state = state_folder()
    place = next(folder for folder in (state, *state.parents) if folder.exists())
    writable = os.access(place, os.W_OK)
    yield Finding("runs are kept in", str(state), "" if writable else f"{place} cannot be written; set XDG_STATE_HOME")
    free_gib = shutil.disk_usage(place).free / 2**30
    yield Finding(
        "free space there", f"{free_gib:.0f} GiB", "" if free_gib > 1 else "make room: logs and reports go there"
    )


def _script() -> Finding:
    """Who owns the `hera` script beside this Python: Hera's distribution brings one as well."""
    script = Path(sys.executable).parent / "hera"
    repair = "pip install --force-reinstall --no-deps herasphere; until then `herasphere` is the same program"
    if not script.exists():
        return Finding("hera command", f"{script} is missing", repair)
    if "workflows.cli" in script.read_text(errors="replace"):
        return Finding("hera command", f"{script} is herasphere's")
    return Finding("hera command", f"{script} belongs to another distribution", repair)


def _table(path: Path) -> Iterator[Finding]:
    desk = desk_of(path)
    try:
        plan = desk.plan()
    except ConfigError as error:
        yield Finding("table", f"{path} has {len(error.faults)} faults", f"hera validate -f {path}")
        return
    yield Finding("table", f"{path}, {len(plan.hosts)} hosts")
    for iso_path, iso in desk.isos.items():
        yield Finding("ISO", f"{iso_path.name}, ESXi {iso.version} build {iso.build}")
    try:
        yield Finding("media service will be reached at", address_towards(host.bmc.url for host in plan.hosts))
    except HerasphereError as error:
        yield Finding("media service", error.what, error.hint)
    yield from _bmcs(plan)


def _bmcs(plan: InstallPlan) -> Iterator[Finding]:
    for host in plan.hosts:
        parts = urlsplit(host.bmc.url)
        target = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
        try:
            with socket.create_connection(target, timeout=CONNECT_TIMEOUT_S):
                yield Finding(f"BMC of {host.name}", f"{host.bmc.address} answers")
        except OSError as error:
            hint = "check the address, and that this machine is in the management network"
            yield Finding(f"BMC of {host.name}", f"{host.bmc.address}: {error.strerror or error}", hint)
