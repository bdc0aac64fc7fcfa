"""A vCenter for tests: govmomi's simulator with what it lacks added, its VMs QEMU processes if they are to boot.

What it cannot show stands in LIMITS.md.
"""

import hashlib
import json
import os
import shutil
import ssl
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steps.domain.wait import wait_until
from tests.lab.build import BuildFailed, cache_folder
from tests.lab.cached import keep_newest, locked, run
from tests.lab.certificates import Authority
from tests.lab.children import start
from tests.lab.network import LabNetwork

SIMULATOR = Path(__file__).parent / "simulator"
PROGRAM = "vcenter"
KEPT_BUILDS = 2
USERNAME, PASSWORD = "administrator@vsphere.local", "Vc-of-the-lab-1!"
DATACENTER, CLUSTER, DATASTORE, NETWORK = "DC0", "DC0_C0", "LocalDS_0", "VM Network"
STARTED_WITHIN_S = 30.0


@dataclass(frozen=True)
class VCenter:
    """Where it is and what is in it.

    address:     "host:port"
    certificate: PEM file of the authority that its certificate is signed by
    run:         folder with a folder for each VM that was on: serial.log, qemu.log
    """

    address: str
    certificate: Path
    run: Path
    username: str = USERNAME
    password: str = PASSWORD
    datacenter: str = DATACENTER
    cluster: str = CLUSTER
    datastore: str = DATASTORE
    network: str = NETWORK

    def fault(self, rule: str) -> None:
        """From now on calls meet this fault: METHOD[:NAME]=[task:]FAULT[@SKIP][xCOUNT], or nfc=drop@BYTES[xCOUNT]."""
        self._asked("faults", rule.encode())

    def keys(self, vm: str) -> list[str]:
        """What was typed at the VM since it was started or reset last: "a", "shift+a", "ret"."""
        typed: list[str] = json.loads(self._asked(f"keys/{vm}"))
        return typed

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
    host: str = "127.0.0.2",
    boots: LabNetwork | None = None,
    faults: Sequence[str] = (),
    lacks: Sequence[str] = (),
    capacity_bytes: int = 0,
    lease_timeout_s: float = 300,
    session_timeout_s: float = 0,
) -> Iterator[VCenter]:
    """One that is up for as long as the context lasts.

    host:  address of this machine at which it listens; pyvmomi verifies no certificate of 127.0.0.1
    boots: VMs are machines in this network, which is up
    lacks: privileges that nobody has
    """
    folder.mkdir(exist_ok=True, parents=True)
    authority = Authority("the lab's vCenter")
    certificate, key = authority.issue(host, folder)
    (folder / "ca.pem").write_text(authority.pem)
    run_folder = folder / "run"
    words = [str(program()), "-listen", f"{host}:0", "-username", USERNAME, "-password", PASSWORD]
    words += [
        "-certificate",
        str(certificate),
        "-key",
        str(key),
        "-run",
        "run",
        "-lease-timeout",
        f"{lease_timeout_s}s",
    ]
    words += [word for rule in faults for word in ("-fault", rule)] + [
        word for each in lacks for word in ("-lacks", each)
    ]
    if boots is not None:
        words += ["-boots", "-namespace", boots.name, "-bridge", "bridge", "-tap", f"{boots.name}v"]
    words += ["-capacity", str(capacity_bytes)] if capacity_bytes else []
    words += ["-session-timeout", f"{session_timeout_s}s"] if session_timeout_s else []
    with (folder / "vcenter.log").open("wb") as log:
        process = start(words, log, cwd=folder, env={"TMPDIR": str(folder)})
        try:
            address = wait_until(
                lambda: _address(folder / "vcenter.log") if process.poll() is None else "gone",
                what="the vCenter",
                where=host,
                hint=str(folder / "vcenter.log"),
                timeout_s=STARTED_WITHIN_S,
                every_s=0.05,
            )
            if address == "gone":
                raise RuntimeError((folder / "vcenter.log").read_text())
            yield VCenter(address, folder / "ca.pem", run_folder)
        finally:
            process.terminate()
            process.wait(30)


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


def _address(log: Path) -> str | None:
    """What it says when it listens: its address, alone in a line."""
    lines = log.read_text(errors="replace").splitlines()
    return next((line for line in lines if line.count(":") == 1 and " " not in line), None)
