"""`make bench`: what is claimed to be fast, beside a named peer in the same run; written to docs/benchmarks.md."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from steps.domain.splice import make_template
from tests.bench.engine import Costs, engine_costs
from tests.unit.domain.isos import esxi_tree, genisoimage

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
ISO_MIB = 600
HOSTS = 1000
REMASTERED = 3
KICKSTART = b"vmaccepteula\nreboot\n" + b"# padding\n" * 400


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="herasphere-bench-") as name:
        folder = Path(name)
        isos = _isos(folder)
    costs = engine_costs()
    PAGE.write_text(_page(isos, costs))
    print(PAGE)


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


def _page(isos: tuple[float, float, int], costs: Costs) -> str:
    spliced_s, xorriso_s, kept = isos
    per_host_s = spliced_s / HOSTS
    return f"""# Benchmarks

Written by `make bench` on {os.cpu_count()} cores, Python {platform.python_version()}.
Each row is one run of both sides; the ratio is what to look at, the absolute figures are this machine's.

| what | herasphere | peer | ratio |
|---|---|---|---|
| {HOSTS} hosts' ISOs prepared from one of {ISO_MIB} MB | {spliced_s:.2f} s, {kept / 2**20:.1f} MiB kept | \
xorriso makes one in {xorriso_s:.2f} s, {ISO_MIB} MiB each (median of {REMASTERED}) | \
{xorriso_s / per_host_s:,.0f} times faster a host |
| a trivial step, {costs.steps} of them in one fan-out | {costs.warm_s * 1000:.0f} ms a step in the local engine | \
{costs.cold_s * 1000:.0f} ms a step by `python -m hera.workflows.runner`, one after the other | \
{costs.cold_s / costs.warm_s:.0f} times faster |

Not measured yet: the media service beside a plain file server, a rack of simulated hosts, what Argo adds per stage.
"""


if __name__ == "__main__":
    if shutil.which("xorriso") is None or shutil.which("genisoimage") is None:
        sys.exit("make bench needs xorriso and genisoimage: make packages")
    main()
