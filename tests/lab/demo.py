"""`make demo`: a host table becomes installed ESXi hosts, on servers that are QEMU processes behind real Redfish.

Where that cannot be had (no root, no Debian packages, no Linux) the same workflow runs against servers in plain Python.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.build import build
from tests.lab.here import why_not
from tests.lab.inprocess.site import site as inprocess_site
from tests.lab.packages import install, missing_commands, missing_packages
from tests.lab.site import Site
from tests.lab.spec import default_servers

REPOSITORY = Path(__file__).parents[2]
RESULT = REPOSITORY / "demo"
KEPT_FOR_SUDO = (
    "HOME",
    "PATH",
    "GOPROXY",
    "GOFLAGS",
    "GOSUMDB",
    "GONOSUMDB",
    "GOTOOLCHAIN",
    "http_proxy",
    "https_proxy",
)

LEFT_OUT = """\
left out, as this is plain Python: no firmware, boot loader or kernel starts, the installer is a strict reader of the
kickstart, and ESXi's API answers on a loopback port. Redfish over TLS, the spliced ISOs read by HTTP ranges, the
workflow and the proof of the installation are the real ones. See tests/lab/inprocess."""


def run() -> int:
    """Set up, install two servers, show the report's place, take down. Asks for sudo once, where it is needed."""
    missing = missing_packages()
    _say("herasphere demo: two bare servers become verified ESXi hosts")
    if sys.platform != "linux" or (missing and shutil.which("apt-get") is None):
        return _in_plain_python("there are no Debian packages here")
    _say("this will")
    if missing:
        _say(f"  install Debian packages: {' '.join(missing)}")
    _say("  build a stand-in for the ESXi installer into ~/.cache/herasphere (once)")
    _say("  make a network namespace with two QEMU servers and their BMCs, and remove it again")
    is_root = os.geteuid() == 0
    if not is_root and (shutil.which("sudo") is None or not sys.stdin.isatty()):
        return _in_plain_python("there is no root here")
    if not is_root:
        _say("for the packages and the network it needs root: sudo may ask for your password")
        if subprocess.run(["sudo", "--validate"], check=False).returncode:
            return _in_plain_python("sudo was refused")
    if not install(say=_say, ask=True):
        return _in_plain_python("the Debian packages could not be installed")
    if not is_root:
        return _again_as_root()
    reason = why_not()
    return _in_plain_python(reason) if reason else with_qemu()


def _again_as_root() -> int:
    """Build as this person, whose cache it goes into; the network and the servers are root's."""
    if missing := missing_commands():
        return _in_plain_python(f"there is no {missing[0]}")
    build(_say)
    kept = [f"{name}={os.environ[name]}" for name in KEPT_FOR_SUDO if name in os.environ]
    program = "import sys; from tests.lab import demo; sys.exit(demo.with_qemu())"
    return subprocess.run(["sudo", "env", *kept, sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode


def with_qemu() -> int:
    """Install on a site that is brought up for it; needs root."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="herasphere-demo-") as name:
        folder = Path(name)
        with Site(folder, default_servers(2), say=_say) as site:
            _say(f"the site stands after {time.monotonic() - started:.0f} s\n")
            code = _install(site.host_table, folder)
        for server in site.servers:
            shutil.copy(server.console, RESULT / f"console-{server.spec.name}.log")
    _give_back()
    return code


def _in_plain_python(reason: str) -> int:
    _say(f"no QEMU site: {reason}. Servers in plain Python instead;\n{LEFT_OUT}\n")
    with tempfile.TemporaryDirectory(prefix="herasphere-demo-") as name, inprocess_site(Path(name)) as made:
        return _install(made.table, Path(name))


def _install(table: Path, folder: Path) -> int:
    """The commands a user would type, with what they say."""
    shutil.rmtree(RESULT, ignore_errors=True)
    RESULT.mkdir()
    shutil.copy(table, RESULT / "hosts.yaml")
    _hera(folder, "validate", "-f", table)
    _hera(folder, "plan", "install-hosts", "-f", table)
    started = time.monotonic()
    code = _hera(folder, "run", "install-hosts", "-f", table, "--yes", "--report", RESULT)
    state = folder / "state"
    if state.exists():
        shutil.copytree(state / "herasphere" / "runs", RESULT / "runs")
    ended = "installed and verified" if code == 0 else "FAILED"
    _say(f"\n2 servers {ended} in {time.monotonic() - started:.0f} s")
    _say(f"report {RESULT / 'report.html'}, logs {RESULT / 'runs'}")
    return code


def _hera(folder: Path, *words: str | Path) -> int:
    shown = " ".join(map(str, words))
    print(f"\n$ hera {shown}", file=sys.stderr, flush=True)
    command: Sequence[str] = [sys.executable, "-m", "workflows", *map(str, words)]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


def _give_back() -> None:
    """What root wrote here belongs to the person who called sudo."""
    owner = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if owner[0] and owner[1]:
        for path in [RESULT, *RESULT.rglob("*")]:
            os.chown(path, int(owner[0]), int(owner[1]))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
