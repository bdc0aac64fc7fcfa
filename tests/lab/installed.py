"""A disk on which the ESXi stand-in is installed already, written without a boot: somebody's old installation."""

import datetime
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from steps.domain.passwords import sha512_crypt
from tests.lab.build import Built

BOOT_AT = 1 << 20  # where the boot partition begins


@dataclass(frozen=True)
class Installation:
    """What the installed system is to show. Its certificate is made at its first start, as always."""

    mac: str
    address: str
    netmask: str
    gateway: str
    hostname: str
    password: str
    disk_id: str
    installed_at: datetime.datetime
    version: str = "8.0.3"
    build: str = "24022510"

    def state(self) -> str:
        """state.jsn as the stand-in's installer writes it (standin/installation.go)."""
        network = {
            "mac": self.mac,
            "static": True,
            "address": self.address,
            "netmask": self.netmask,
            "gateway": self.gateway,
            "nameservers": [],
            "hostname": self.hostname,
            "vlan": 0,
        }
        installed_at = self.installed_at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps(
            {
                "network": network,
                "password_hash": sha512_crypt(self.password, salt="oldinstallation"),
                "install_date": installed_at,
                "version": self.version,
                "build": self.build,
                "disk": self.disk_id,
            }
        )


def write_installed_disk(disk: Path, size_gib: int, built: Built, installation: Installation) -> None:
    """The file `disk` is a sparse image that starts under UEFI and BIOS as this installation."""
    with tempfile.TemporaryDirectory() as temporary:
        media = Path(temporary)
        for name in ("B.B00", "S.V00", "BOOTPART.V00", "MBR.V00"):
            _run(["xorriso", "-osirrox", "on", "-indev", str(built.iso), "-extract", f"/{name}", str(media / name)])
        (media / "state.jsn").write_text(installation.state())
        with disk.open("wb") as file:
            file.truncate(size_gib << 30)
        pieces = [str(media / "MBR.V00"), str(media / "BOOTPART.V00")]
        _run([str(built.program), "lay-out", str(disk), *pieces])
        for source, target in (("B.B00", "vmlinuz"), ("S.V00", "initrd"), ("state.jsn", "state.jsn")):
            _run(["mcopy", "-o", "-i", f"{disk}@@{BOOT_AT}", str(media / source), f"::/{target}"])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
