"""Runs a kickstart's %pre and %post with this machine's `sh`, in a folder that stands for the installer's /tmp.

`localcli` answers what those scripts ask, in ESXi's words. `wget` only writes down what it is asked for; the machine
makes the calls once the script has ended, so that no wget is needed. `sleep` is short.
"""

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.lab.inprocess.installation import LabDisk

TMP = "/tmp/herasphere"
LIMIT_S = 60.0

# Functions, not programs: a program file just written cannot be run while another thread's fork still holds it open
PROGRAMS = """
localcli() {{
    case "$*" in
    "hardware platform get") cat {folder}/platform ;;
    "storage core device list") cat {folder}/devices ;;
    *) echo "Error: Unknown command or namespace $*" >&2; return 1 ;;
    esac
}}
wget() {{
    for word; do :; done
    printf '%s\\n' "$word" >> {folder}/calls
}}
sleep() {{ command sleep 0.1; }}
"""


class Scripts:
    """One installer's scripts; `kill` from another thread ends the one that runs."""

    def __init__(self, folder: Path, *, serial: str, manufacturer: str, model: str, disks: Sequence[LabDisk]) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._is_killed = False
        self._programs = PROGRAMS.format(folder=shlex.quote(str(folder)))
        (folder / "platform").write_text(_platform(serial, manufacturer, model))
        (folder / "devices").write_text("".join(_device(disk) for disk in disks))

    def run(self, text: str) -> tuple[int, str, list[str]]:
        """Exit code, output, and the URLs that were called."""
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        shell = shutil.which("sh")
        if shell is None or shutil.which("awk") is None:
            return 127, "sh or awk is missing on this machine", []
        process = self._start([shell, "-c", self._programs + text.replace(TMP, f"{self.folder}/herasphere")])
        if process is None:
            return 137, "the machine was powered off", []
        with process:
            try:
                output, _ = process.communicate(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                output, _ = process.communicate()
        self._running = None
        return process.returncode, output, calls.read_text().splitlines() if calls.exists() else []

    def open(self, path: str) -> str:
        """The text of a file that a script wrote."""
        return Path(path.replace(TMP, f"{self.folder}/herasphere")).read_text()

    def kill(self) -> None:
        with self._lock:
            self._is_killed = True
            if self._running and self._running.poll() is None:
                os.killpg(self._running.pid, signal.SIGKILL)

    def _start(self, command: list[str]) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._is_killed:
                return None
            self._running = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            return self._running


def _platform(serial: str, manufacturer: str, model: str) -> str:
    return (
        "Platform Information:\n"
        f"   UUID: 0x0 0x0\n   Product Name: {model}\n   Vendor Name: {manufacturer}\n   Serial Number: {serial}\n"
        "   Enclosure Serial Number: None\n   BIOS Asset Tag: \n   IPMI Supported: true\n"
    )


def _device(disk: LabDisk) -> str:
    return (
        f"{disk.id}:\n"
        f"   Display Name: Local {disk.vendor} Disk ({disk.id})\n   Has Settable Display Name: true\n"
        f"   Size: {disk.size_mib}\n   Device Type: Direct-Access \n   Multipath Plugin: HPP\n"
        f"   Devfs Path: /vmfs/devices/disks/{disk.id}\n   Vendor: {disk.vendor:8}\n   Model: {disk.model:16}\n"
        "   Revision: 1.0 \n   SCSI Level: 6\n   Is Pseudo: false\n   Status: on\n"
        f"   Is Local: {str(disk.is_local).lower()}\n   Is Removable: false\n   Is SSD: true\n   Is Offline: false\n"
        f"   Is USB: {str(disk.is_usb).lower()}\n   Is Boot Device: false\n"
    )
