"""A vCenter for tests: govmomi's simulator with what it lacks added, its VMs QEMU processes if they are to boot.

What it cannot show stands in LIMITS.md.
"""

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from steps.domain.wait import wait_until
from tests.lab.build import BuildFailed, cache_folder
from tests.lab.cached import keep_newest, locked, run
from tests.lab.certificates import Authority
from tests.lab.children import start
from tests.lab.network import LabNetwork
from tests.lab.vcenter.installer.build import installer_iso

__all__ = ["CLUSTER", "DATACENTER", "DATASTORE", "NETWORK", "VCenter", "installer_iso", "program", "vcenter"]

SIMULATOR = Path(__file__).parent / "simulator"
PROGRAM = "vcenter"
KEPT_BUILDS = 2
USERNAME, PASSWORD = "administrator@vsphere.local", "Vc-of-the-lab-1!"
DATACENTER, CLUSTER, DATASTORE, NETWORK = "DC0", "DC0_C0", "LocalDS_0", "VM Network"
STARTED_WITHIN_S = 30.0
OWN_NETWORK = LabNetwork("hsvc", "10.99.40.0/24")  # of who names none


@dataclass(frozen=True)
class VCenter:
    """Where it is and what is in it.

    address:          "host:port"
    certificate:      PEM file of the authority that its certificate is signed by
    datastore_folder: the datastore's files
    run:              folder with a folder for each VM that was on: serial.log, qemu.log
    """

    address: str
    certificate: Path
    datastore_folder: Path
    run: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)
    username: str = USERNAME
    password: str = PASSWORD
    datacenter: str = DATACENTER
    cluster: str = CLUSTER
    resource_pool: str = "Resources"
    datastore: str = DATASTORE
    network_name: str = NETWORK
    vm_folder: str = "vm"

    def fault(self, rule: str) -> None:
        """From now on calls meet this fault.

        rule: METHOD[:NAME]=[task:]FAULT[@SKIP][xCOUNT], drop-nfc@BYTES[xCOUNT], or lease-timeout[xCOUNT]
        """
        self._asked("faults", rule.encode())

    def keys(self, vm_name: str) -> list[str]:
        """What was typed at the VM since it was started or reset last: "a", "shift+a", "ret"."""
        typed: list[str] = json.loads(self._asked(f"vms/{vm_name}/keys"))
        return typed

    def console(self, vm_name: str) -> str:
        """What came out of the VM's serial port since its power was last switched on."""
        return self._asked(f"vms/{vm_name}/console").decode(errors="replace")

    def _asked(self, path: str, data: bytes | None = None) -> bytes:
        context = ssl.create_default_context(cafile=str(self.certificate))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"https://{self.address}/lab/{path}", data, timeout=30) as answer:
            content: bytes = answer.read()
        return content


@contextmanager
def vcenter(
    folder: Path,
    *,
    boots: bool = False,
    faults: Sequence[str] = (),
    lacks: Sequence[str] = (),
    capacity_bytes: int | None = None,
    network: LabNetwork | None = None,
    host: str = "127.0.0.2",
    lease_timeout_s: float = 300,
    session_timeout_s: float = 0,
) -> Iterator[VCenter]:
    """One that is up for as long as the context lasts.

    boots:   VMs are machines
    lacks:   privileges that nobody has
    network: of the machines, made and removed here unless it is up already; it gets a DHCP server
    host:    address of this machine at which it listens; pyvmomi by itself verifies no certificate of 127.0.0.1
    """
    folder.mkdir(exist_ok=True, parents=True)
    certificate, key = _certified(folder, host)
    words = [str(program()), "-listen", f"{host}:0", "-username", USERNAME, "-password", PASSWORD, "-run", "run"]
    words += ["-certificate", str(certificate), "-key", str(key), "-lease-timeout", f"{lease_timeout_s}s"]
    words += [word for rule in faults for word in ("-fault", rule)]
    words += [word for privilege in lacks for word in ("-lacks", privilege)]
    words += ["-capacity", str(capacity_bytes)] if capacity_bytes else []
    words += ["-session-timeout", f"{session_timeout_s}s"] if session_timeout_s else []
    with ExitStack() as stack:
        if boots:
            used = network or OWN_NETWORK
            stack.enter_context(_served(used, folder))
            words += ["-boots", "-namespace", used.name, "-bridge", "bridge", "-tap", f"{used.name}v"]
        process = stack.enter_context(_running(words, folder))
        told = _started(process, folder / "vcenter.log", host)
        yield VCenter(told["address"], folder / "ca.pem", Path(told["datastore"]), folder / "run", process)


def _certified(folder: Path, host: str) -> tuple[Path, Path]:
    authority = Authority("the lab's vCenter")
    (folder / "ca.pem").write_text(authority.pem)
    return authority.issue(host, folder)


@contextmanager
def _served(network: LabNetwork, folder: Path) -> Iterator[None]:
    """The network is up, and has somebody who gives out addresses."""
    ours = not network.is_up
    if ours:
        network.up(1)  # its bridge has an address then, which the DHCP server needs
    try:
        with _running(network.dhcp_command(folder, []), folder, log="dhcp.log"):
            yield
    finally:
        if ours:
            network.down()


@contextmanager
def _running(words: Sequence[str], folder: Path, log: str = "vcenter.log") -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / log).open("wb") as file:
        process = start(words, file, cwd=folder, env={"TMPDIR": str(folder)})
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _started(process: "subprocess.Popen[bytes]", log: Path, host: str) -> dict[str, str]:
    """What it says of itself when it listens: one line of JSON."""

    def told() -> dict[str, str] | None:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]
        if lines:
            said: dict[str, str] = json.loads(lines[0])
            return said
        return None if process.poll() is None else {}

    said = wait_until(told, what="the vCenter", where=host, hint=str(log), timeout_s=STARTED_WITHIN_S, every_s=0.05)
    if not said:
        raise RuntimeError(log.read_text())
    return said


def program() -> Path:
    """The simulator, out of the cache or built now."""
    root = cache_folder()
    sources = sorted(path for path in SIMULATOR.iterdir() if path.suffix in (".go", ".mod", ".sum"))
    key = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sources)).hexdigest()[:16]
    folder = root / f"vcenter-{key}"
    with locked(root / "vcenter.lock"):
        if not folder.exists():
            if shutil.which("go") is None:
                raise BuildFailed("the vCenter cannot be built here, missing: go (package golang-go)")
            with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
                built = Path(work) / "vcenter" / PROGRAM
                run(["go", "build", "-mod=readonly", "-o", str(built), "."], cwd=SIMULATOR)
                built.parent.rename(folder)
            keep_newest(root, "vcenter-*/", KEPT_BUILDS)
        os.utime(folder)
    return folder / PROGRAM
