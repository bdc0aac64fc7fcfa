"""Preparing many hosts' ISOs, beside making each with the usual tool."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from steps.domain.splice import make_template
from tests.bench.page import Part, Row
from tests.unit.domain.isos import esxi_tree, genisoimage

NEEDS = ("xorriso", "genisoimage")
ISO_MIB = 600
HOSTS = 1000
REMASTERED = 3
KICKSTART = b"vmaccepteula\nreboot\n" + b"# padding\n" * 400


def measure() -> Part:
    """What it takes to prepare HOSTS ISOs."""
    with tempfile.TemporaryDirectory(prefix="herasphere-bench-") as name:
        spliced_s, xorriso_s, kept = _isos(Path(name))
    row = Row(
        f"{HOSTS} hosts' ISOs prepared from one of {ISO_MIB} MB",
        f"{spliced_s:.2f} s, {kept / 2**20:.1f} MiB kept",
        f"xorriso makes one in {xorriso_s:.2f} s, {ISO_MIB} MiB each (median of {REMASTERED})",
        f"{xorriso_s / (spliced_s / HOSTS):,.0f} times faster a host",
    )
    return Part("Per-host ISOs", [row])


def _isos(folder: Path) -> tuple[float, float, int]:
    """Seconds for HOSTS spliced ISOs, seconds for one by xorriso, bytes kept for the spliced ones."""
    esxi_tree(folder / "tree", files=150)
    with (folder / "tree" / "S.V00").open("wb") as big:
        for _ in range(ISO_MIB):
            big.write(os.urandom(1 << 20))
    iso = genisoimage(folder / "tree", folder / "esxi.iso", "-J", "-R")
    iso.read_bytes()  # in the page cache for both
    started = time.perf_counter()
    with iso.open("rb") as file:
        template = make_template(file)
    kept = len(template.model_dump_json())
    for number in range(HOSTS):
        kickstart = KICKSTART + str(number).encode()
        template.view(kickstart)
        kept += len(kickstart)
    spliced_s = time.perf_counter() - started
    xorriso_s = statistics.median(_timed(lambda: _remaster(folder, iso)) for _ in range(REMASTERED))
    return spliced_s, xorriso_s, kept


def _remaster(folder: Path, iso: Path) -> None:
    """One host's ISO as a file, by the usual tool."""
    out, kickstart = folder / "out.iso", folder / "ks.cfg"
    out.unlink(missing_ok=True)
    kickstart.write_bytes(KICKSTART)
    boot = ["-boot_image", "any", "replay", "-map", str(kickstart), "/KS.CFG", "-commit"]
    command = ["xorriso", "-indev", str(iso), "-outdev", str(out), "-joliet", "on", *boot]
    subprocess.run(command, check=True, capture_output=True)


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
