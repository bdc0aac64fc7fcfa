"""`hera ova verify | inspect`: an OVA on this machine, whoever made it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from steps.domain.errors import NotFound, VerifyFailed
from steps.domain.ova.summary import MachineSummary, OvaSummary, summarize
from steps.domain.ova.verify import MOST_FAULTS, Verdict
from steps.domain.ova.verify import verify as verdict_of
from workflows.cli.options import AsJson
from workflows.cli.tables import columns

app = typer.Typer(help="OVA files: look into one, check one.", no_args_is_help=True)

PROGRESS_BYTES = 64 * 2**20


@app.command()
def verify(file: Annotated[list[Path], typer.Argument(metavar="FILE...", help="- reads standard input")]) -> None:
    """Tell every fault of an OVA: its order, manifest, descriptor, and each disk down to the last grain.

    Exit code 1 if there is any.
    """
    failed = False
    for path in file:
        with _opened(path) as opened:
            verdict = verdict_of(opened, seen=_progress(path))
        failed |= bool(verdict.faults)
        _tell(path, verdict)
    if failed:
        raise typer.Exit(1)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="its disks are not read")], json: AsJson = False
) -> None:
    """Show what an OVA says of itself: machine, disks, networks, the properties it asks for."""
    with _opened(file) as opened:
        if not opened.seekable():
            raise typer.BadParameter("it must be a file: the disks are skipped", param_hint="FILE")
        try:
            summary = summarize(opened)
        except VerifyFailed as error:
            print(_shown(f"{file}: {error}"), file=sys.stderr)
            raise typer.Exit(1) from error
    if json:
        print(summary.model_dump_json(indent=2))
        return
    print("\n\n".join([*map(_machine_text, summary.machines), _files_text(summary)]))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = path.open("rb")
    except OSError as error:
        raise NotFound(f"cannot be read: {error.strerror}", where=_shown(str(path)), hint="correct the path") from error
    with opened:
        yield opened


def _progress(path: Path) -> Callable[[int], None]:
    """A line that tells how far it is, for people who watch; gone at the end."""
    told = 0

    def seen(offset: int) -> None:
        nonlocal told
        if offset - told >= PROGRESS_BYTES:
            told = offset
            print(f"\r{_shown(path.name)}: {offset / 2**20:,.0f} MiB", end="\033[K\r", file=sys.stderr, flush=True)

    return seen if sys.stderr.isatty() else lambda _: None


def _tell(path: Path, verdict: Verdict) -> None:
    for fault in verdict.faults:
        print(_shown(f"{path}: {fault}"))
    if len(verdict.faults) == MOST_FAULTS:
        print(f"{_shown(str(path))}: and maybe more: the first {MOST_FAULTS} are told")
    for note in verdict.notes:
        print(_shown(f"{path}: note: {note}"), file=sys.stderr)
    disks = sum(each.disk is not None for each in verdict.files)
    counted = f"{len(verdict.files)} files, {disks} disk{'s' if disks != 1 else ''}, {verdict.size_bytes} bytes"
    faults = f"{len(verdict.faults)} faults" if len(verdict.faults) != 1 else "1 fault"
    print(f"{_shown(str(path))}: {counted}, {faults if verdict.faults else 'no fault'}", file=sys.stderr)


def _machine_text(machine: MachineSummary) -> str:
    """What a machine is, a line for each kind of thing."""
    version = machine.full_version or machine.version
    product = " ".join(part for part in (machine.product, version) if part)
    cores = f" in sockets of {machine.cores_per_socket}" if (machine.cores_per_socket or 1) > 1 else ""
    firmware = machine.firmware + (" with secure boot" if machine.secure_boot else "")
    lines = [
        ("machine", machine.name),
        ("product", product + (f" by {machine.vendor}" if machine.vendor else "")),
        ("guest", f"{machine.os_type}, {machine.hardware_version}, {firmware}"),
        ("size", f"{machine.cpus} CPUs{cores}, {machine.memory_mib} MiB memory"),
        ("devices", ", ".join(machine.devices)),
        *(("network", f"{nic.network} ({nic.kind})") for nic in machine.nics),
        ("about", machine.annotation.partition("\n")[0]),
        ("licences", f"{machine.eulas} to agree to" if machine.eulas else ""),
        ("transport", ", ".join(machine.transports)),
        *(("extra", f"{key}={value}") for key, value in machine.extra_config.items()),
    ]
    text = columns([(name, _shown(said)) for name, said in lines if said])
    if not machine.properties:
        return text
    head = ("PROPERTY", "TYPE", "DEFAULT", "SET BY", "LABEL")
    rows = [
        (each.key, each.type, each.default, "user" if each.user_configurable else "builder", each.label)
        for each in machine.properties
    ]
    return f"{text}\n\n{columns([head, *(tuple(map(_shown, row)) for row in rows)])}"


def _files_text(summary: OvaSummary) -> str:
    disks = {disk.file: disk for disk in summary.disks}
    rows = [("FILE", "BYTES", "CAPACITY", "IN USE", "SHA256")]
    for file in summary.files:
        disk = disks.get(file.name)
        sizes = (disk.capacity_bytes, disk.populated_bytes) if disk else (None, None)
        capacity, used = ("" if size is None else f"{size / 2**30:.2f} GiB" for size in sizes)
        rows.append((_shown(file.name), str(file.size_bytes), capacity, used, file.sha256[:12]))
    return columns(rows)


def _shown(text: str) -> str:
    """Text of strangers on one line, without what would move the cursor or change the terminal."""
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    encoding = sys.stdout.encoding or "utf-8"
    return printable.encode(encoding, "replace").decode(encoding)
