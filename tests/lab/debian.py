"""A base image for where no registry is: Debian with Python, bootstrapped from Debian's packages."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.build import BuildFailed, Say, cache_folder
from tests.lab.cached import keep_newest, locked, run

SUITE = "bookworm"
BASE = ("python3", "ca-certificates")
BUILDER = (*BASE, "python3-pip")
LEFT_OUT = (
    "usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info", "var/cache/apt", "var/lib/apt/lists",
    "var/log",
)  # fmt: skip


@dataclass(frozen=True)
class DebianBase:
    """Two root file systems as tar archives, of the same packages but for pip."""

    folder: Path

    @property
    def base(self) -> Path:
        """What the runner image stands on."""
        return self.folder / "base.tar"

    @property
    def builder(self) -> Path:
        """The same with pip, to build with."""
        return self.folder / "builder.tar"

    @property
    def key(self) -> str:
        return self.folder.name


def debian_base(say: Say = lambda text: print(text, file=sys.stderr)) -> DebianBase:
    """Return the base, out of the cache or made now; needs root and debootstrap."""
    if shutil.which("debootstrap") is None:
        raise BuildFailed("no base image can be made here, missing: debootstrap (package debootstrap)")
    root = cache_folder()
    made = DebianBase(root / f"debian-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}")
    with locked(root / "debian.lock"):
        if made.folder.exists():
            return made
        say(f"bootstrapping Debian {SUITE} into {made.folder} (once; takes about a minute)")
        with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
            result = Path(work) / "result"
            result.mkdir()
            _bootstrap(Path(work), BASE, result / made.base.name)
            _bootstrap(Path(work), BUILDER, result / made.builder.name)
            result.rename(made.folder)
        keep_newest(root, "debian-*/", 1)
    return made


def _bootstrap(work: Path, packages: Sequence[str], archive: Path) -> None:
    """The packages and what Debian requires, without documentation, translations and apt's lists."""
    tree, cache = work / archive.stem, work / "debs"
    cache.mkdir(exist_ok=True)
    options = ["--variant=minbase", f"--include={','.join(packages)}", f"--cache-dir={cache}"]
    try:
        run(["debootstrap", *options, SUITE, str(tree)])
        for name in LEFT_OUT:
            shutil.rmtree(tree / name)
            (tree / name).mkdir()
        run(["tar", "--sort=name", "--numeric-owner", "--exclude=./dev/*", "-cf", str(archive), "-C", str(tree), "."])
    finally:  # interrupted, it may have left its mounts
        for mounted in ("sys", "proc"):
            subprocess.run(["umount", "-q", "-l", str(tree / mounted)], stderr=subprocess.DEVNULL, check=False)
