"""A disk on which the ESXi stand-in is installed already, written without a boot: somebody's old installation."""

import datetime
import json
import os
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from steps.domain.passwords import sha512_crypt

SECTOR = 512
BOOT_AT = 1 << 20
OSDATA_GIB = 128
OSDATA_GUID = "4EB2EA39-7855-4790-A79E-FAE495E21F8D"
VMFS_GUID = "AA31E02A-400F-11DB-9590-000C2911D1B8"


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


def write_installed_disk(disk: Path, size_gib: int, iso: Path, installation: Installation) -> None:
    """The file `disk` is a sparse image that starts under UEFI and BIOS as this installation."""
    with tempfile.TemporaryDirectory() as temporary:
        media = Path(temporary)
        for name in ("B.B00", "S.V00", "BOOTPART.V00", "MBR.V00"):
            _run(["xorriso", "-osirrox", "on", "-indev", str(iso), "-extract", f"/{name}", str(media / name)])
        (media / "state.jsn").write_text(installation.state())
        with disk.open("wb") as file:
            file.truncate(size_gib << 30)
        _run(["sfdisk", "--quiet", str(disk)], _partitions(size_gib))
        boot = zlib.decompress((media / "BOOTPART.V00").read_bytes(), wbits=31)
        with disk.open("r+b") as file:
            file.write((media / "MBR.V00").read_bytes()[:440])
            file.seek(BOOT_AT)
            file.write(boot)
        for source, target in (("B.B00", "vmlinuz"), ("S.V00", "initrd"), ("state.jsn", "state.jsn")):
            _run(["mcopy", "-o", "-i", f"{disk}@@{BOOT_AT}", str(media / source), f"::/{target}"])


def _partitions(size_gib: int) -> str:
    """sfdisk's words for layout() of standin/installer.go."""
    boot_first, boot_sectors = BOOT_AT // SECTOR, (64 << 20) // SECTOR
    osdata_first = boot_first + boot_sectors
    lines = ["label: gpt", f'1: start={boot_first}, size={boot_sectors}, type=U, attrs="LegacyBIOSBootable"']
    if size_gib > 142:
        osdata_sectors = (OSDATA_GIB << 30) // SECTOR
        lines.append(f"7: start={osdata_first}, size={osdata_sectors}, type={OSDATA_GUID}")
        lines.append(f"8: start={osdata_first + osdata_sectors}, type={VMFS_GUID}")
    else:
        lines.append(f"7: start={osdata_first}, type={OSDATA_GUID}")
    return "\n".join(lines) + "\n"


def _run(command: list[str], text: str = "") -> None:
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
