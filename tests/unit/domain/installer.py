"""ESXi's installer as far as a kickstart's scripts see it: busybox, and a localcli that prints recorded text."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUSYBOX = shutil.which("busybox")

DEVICE = {
    "Display Name": "Local Disk",
    "Has Settable Display Name": "true",
    "Size": 915715,
    "Device Type": "Direct-Access ",
    "Multipath Plugin": "NMP",
    "Vendor": "ATA     ",
    "Model": "Disk            ",
    "Is Pseudo": "false",
    "Status": "on",
    "Is Local": "true",
    "Is Removable": "false",
    "Is Offline": "false",
    "Is Local SAS Device": "false",
    "Is USB": "false",
    "Is Boot USB Device": "false",
    "Other UIDs": "vml.0100000000202020: x",
}


def listing(devices: list[dict[str, Any]]) -> str:
    """What `localcli storage core device list` prints for these devices; what is not given is as on a plain disk."""
    blocks = []
    for device in devices:
        lines = [f"   {key}: {value}" for key, value in {**DEVICE, **device}.items() if key != "name"]
        blocks.append("\n".join([device["name"], *lines]))
    return "\n\n".join(blocks) + "\n"


def platform(serial: str) -> str:
    return (
        "Platform Information\n   UUID: 0x4c 0x4c 0x45\n   Product Name: PowerEdge R750xs\n"
        f"   Vendor Name: Dell Inc.\n   Serial Number: {serial}\n   Enclosure Serial Number: CHASSIS9\n"
        "   BIOS Asset Tag: \n   IPMI Supported: true\n"
    )


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    console: str
    include: str | None


class Installer:
    """Runs a kickstart's scripts with busybox and nothing else, as ESXi's installer does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        assert BUSYBOX
        for name in ("awk", "wget", "sleep", "sh", "cat"):
            (self.bin / name).symlink_to(BUSYBOX)
        self.localcli(devices="", serial="3BFS4T3")

    def localcli(self, *, devices: str, serial: str, exit_code: int = 0) -> None:
        (self.folder / "devices").write_text(devices)
        (self.folder / "platform").write_text(platform(serial))
        program = self.bin / "localcli"
        program.write_text(
            f"#!{self.bin}/sh\n"
            f'case "$*" in\n"hardware platform get") cat {self.folder}/platform ;;\n'
            f'"storage core device list") cat {self.folder}/devices; exit {exit_code} ;;\n'
            '*) echo "Error: Unknown command $*" >&2; exit 1 ;;\nesac\n'
        )
        program.chmod(0o755)

    def run(self, script: str) -> Outcome:
        file = self.folder / "ks-script"
        file.write_text(script.replace("/tmp/herasphere-", f"{self.folder}/herasphere-"))
        done = subprocess.run(
            [self.bin / "sh", file],
            env={"PATH": str(self.bin)},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        include = self.folder / "herasphere-install.ks"
        return Outcome(done.returncode, done.stdout, include.read_text() if include.exists() else None)
