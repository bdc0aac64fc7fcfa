"""govc, a vSphere client that is none of ours, at the lab's vCenter. Its commands are govmomi's, pinned by go.sum.

What it has of them stands in ../govc/main.go.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.build import BuildFailed, cache_folder
from tests.lab.cached import keep_newest, locked, run
from tests.lab.vcenter.vcenter import VCenter

SOURCES = Path(__file__).parents[1] / "govc"
PROGRAM = "govc"
KEPT_BUILDS = 2
PATIENCE_S = 300


class GovcFailed(Exception):
    """It said so; the text is what it said."""


@dataclass(frozen=True)
class Govc:
    """The program, as the vCenter's administrator. folder: of its sessions, and of the options it is given"""

    vc: VCenter
    folder: Path

    def run(self, *words: str) -> str:
        """What the command printed; it succeeded."""
        command = [str(program()), *words]
        done = subprocess.run(
            command, env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise GovcFailed(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def spec(self, ova: Path) -> dict[str, Any]:
        """The options that an import of the OVA has, as they are before anybody chooses."""
        told: dict[str, Any] = json.loads(self.run("import.spec", str(ova)))
        return told

    def import_ova(self, ova: Path, name: str, properties: Mapping[str, str], *, power_on: bool = True) -> None:
        """The OVA is a VM of that name; its files were checked against the manifest. properties: by their keys"""
        options = self.spec(ova)
        given = {each["Key"]: each["Value"] for each in options.get("PropertyMapping", [])} | dict(properties)
        options |= {
            "DiskProvisioning": "thin",
            "PowerOn": power_on,
            "PropertyMapping": [{"Key": key, "Value": value} for key, value in given.items()],
            "NetworkMapping": [each | {"Network": self.vc.network_name} for each in options.get("NetworkMapping", [])],
        }
        file = self.folder / f"{name}.options.json"
        file.write_text(json.dumps(options))
        self.run("import.ova", "-m", f"-options={file}", f"-name={name}", str(ova))

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GOVC_")}
        return kept | {
            "GOVC_URL": f"https://{self.vc.address}/sdk",
            "GOVC_USERNAME": self.vc.username,
            "GOVC_PASSWORD": self.vc.password,
            "GOVC_TLS_CA_CERTS": str(self.vc.certificate),
            "GOVC_DATACENTER": self.vc.datacenter,
            "GOVC_DATASTORE": self.vc.datastore,
            "GOVC_RESOURCE_POOL": f"{self.vc.cluster}/{self.vc.resource_pool}",
            "GOVMOMI_HOME": str(self.folder),
            "NO_PROXY": "*",
        }


def program() -> Path:
    """govc, out of the cache or built now, which takes some seconds."""
    root = cache_folder()
    names = ("go.mod", "go.sum", "main.go")
    key = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in names)).hexdigest()[:16]
    folder = root / f"govc-{key}"
    with locked(root / "govc.lock"):
        if not folder.exists():
            if shutil.which("go") is None:
                raise BuildFailed("govc cannot be built here, missing: go (package golang-go)")
            with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
                built = Path(work) / "govc" / PROGRAM
                run(["go", "build", "-mod=readonly", "-o", str(built), "."], cwd=SOURCES)
                built.parent.rename(folder)
            keep_newest(root, "govc-*/", KEPT_BUILDS)
        os.utime(folder)
    return folder / PROGRAM
