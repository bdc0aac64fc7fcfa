"""A server made of one QEMU process. Its parts keep their state in a folder, the process lives while the power is on.

No KVM is needed. A process that starts machines takes them with it when it dies, however it dies.
"""

import hashlib
import itertools
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.children import start
from tests.lab.machine import FirmwareMode
from tests.lab.qmp import Qmp, QmpError
from tests.lab.virtualcd import MachineError, MediaUnreadable, block_source, check_readable

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
CD_FIRST, DISK, CD_LAST = 1, 10, 20  # boot indices


@dataclass(frozen=True)
class Nic:
    """A NIC; without tap device its cable is not plugged in."""

    mac: str
    tap: str = ""


@dataclass(frozen=True)
class Drive:
    """A disk of the server, as the server sees it."""

    gib: int = 160  # large enough for a datastore, as on most servers; takes no room here until it is written
    vendor: str = "ATA"
    model: str = "SSDSC2KB480G8"


class QemuMachine:
    """Implements tests.lab.machine.Machine."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        serial: str,
        nics: Sequence[Nic] = (),
        drives: Sequence[Drive] = (Drive(),),
        manufacturer: str = "Herasphere",
        model: str = "Lab Server",
        memory_mib: int = 768,
        cpus: int = 2,
        clock_offset_s: int = 0,
        boots_cd: bool = True,
        namespace: str = "",
    ) -> None:
        """
        clock_offset_s: how far the machine's clock is ahead of the true time (negative: behind)
        boots_cd:       False makes it ignore the CD whatever it is told, as a server without media licence does
        namespace:      network namespace to run QEMU in, "" for this process's own
        """
        self.name = name
        self.serial = serial
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"herasphere-lab:{serial}"))
        self.manufacturer = manufacturer
        self.model = model
        self.macs = tuple(nic.mac.lower() for nic in nics)
        self.memory_mib = memory_mib
        self.cpus = cpus
        self.console = folder / "console.log"
        self._folder = folder
        self._nics = tuple(nics)
        self._drives = tuple(drives)
        self._clock_offset_s = clock_offset_s
        self._boots_cd = boots_cd
        self._namespace = namespace
        self._url = ""
        self._node = ""  # QEMU's name for the medium in the tray
        self._counter = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._console_start = 0  # where this boot's output begins in the console's file
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        for index, drive in enumerate(self._drives):
            _make_sparse(self.disk_path(index), drive.gib << 30)

    @property
    def disk_ids(self) -> tuple[str, ...]:
        """The disks' names as ESXi calls them."""
        return tuple(self.disk_id(self.serial, index) for index in range(len(self._drives)))

    @staticmethod
    def disk_id(serial: str, index: int) -> str:
        """The name of a server's disk, the same in every run."""
        return f"naa.{_wwn(serial, index):016x}"

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def disk_path(self, index: int = 0) -> Path:
        """The raw image of a disk."""
        return self._folder / f"disk{index}.img"

    def console_text(self) -> str:
        """Everything the serial console has shown, over all boots."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def power_on(self, *, cd_first: bool, mode: FirmwareMode) -> None:
        with self._lock:
            if self.is_on:
                return
            self._forget()
            self._console_start = self._console_size()
            self._start(self._command(cd_first=cd_first and self._boots_cd, mode=mode))
            assert self._qmp is not None
            try:
                if self._url:
                    self._change_medium()
                if cd_first and self._boots_cd:
                    # The firmware takes the boot order as it was when the machine was reset, which is now past; this
                    # one is for the next reset: "Once" is used up, a reboot from inside starts the disk.
                    self._qmp.call("qom-set", path="/machine/peripheral/cd0", property="bootindex", value=CD_LAST)
                self._qmp.call("cont")
            except QmpError as error:
                self.power_off()
                raise MachineError(f"{self.name}: {error}") from error

    def power_off(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
            self._forget()

    def press_power_button(self) -> None:
        with self._lock:
            if self._qmp is not None and self.is_on:
                self._qmp.call("system_powerdown")

    def insert(self, url: str) -> None:
        """Raises MediaUnreadable where the URL does not answer; the CD is then as it was."""
        check_readable(url)
        with self._lock:
            before, self._url = self._url, url
            try:
                if self.is_on:
                    self._change_medium()
            except QmpError as error:
                self._url = before
                raise MediaUnreadable(f"{self.name}: {error}") from error

    def eject(self) -> None:
        with self._lock:
            self._url = ""
            if self._qmp is not None and self.is_on:
                self._empty_tray()

    def boot_progress(self) -> str:
        """What a BMC could know: the firmware is at work until an operating system shows itself."""
        if not self.is_on:
            return "None"
        with self.console.open("rb") as file:
            file.seek(self._console_start)
            return "OSRunning" if b"standin: role" in file.read() else "SystemHardwareInitializationComplete"

    def close(self) -> None:
        self.power_off()

    def _start(self, command: list[str]) -> None:
        ours, theirs = socket.socketpair()
        fd = theirs.fileno()
        command = [*command, "-chardev", f"socket,id=qmp,fd={fd}", "-mon", "chardev=qmp,mode=control"]
        if self._namespace:
            command = ["ip", "netns", "exec", self._namespace, *command]
        with (self._folder / "qemu.log").open("wb") as log:
            self._process = start(command, log, pass_fds=[fd])
        theirs.close()
        try:
            self._qmp = Qmp(ours, self._on_event)
        except QmpError as error:
            ours.close()
            self.power_off()
            said = (self._folder / "qemu.log").read_text(errors="replace").strip()[-2000:]
            raise MachineError(f"{self.name}: QEMU did not start: {said or error}") from error

    def _forget(self) -> None:
        """Let go of a process that has ended or was killed."""
        if self._process is not None:
            self._process.wait()
        if self._qmp is not None:
            self._qmp.close()
        self._process = self._qmp = None
        self._node = ""

    def _on_event(self, event: str) -> None:
        if event == "RESET":
            self._console_start = self._console_size()

    def _console_size(self) -> int:
        return self.console.stat().st_size if self.console.exists() else 0

    def _change_medium(self) -> None:
        """The tray holds the medium of the URL; the one before is let go of."""
        assert self._qmp is not None
        node = f"medium{next(self._counter)}"
        raw = {"driver": "raw", "node-name": node, "read-only": True, "file": block_source(self._url)}
        self._qmp.call("blockdev-add", **raw)
        self._empty_tray()
        self._qmp.call("blockdev-insert-medium", **{"id": "cd0", "node-name": node})
        self._qmp.call("blockdev-close-tray", id="cd0")
        self._node = node

    def _empty_tray(self) -> None:
        assert self._qmp is not None
        self._qmp.call("eject", id="cd0", force=True)
        if self._node:
            self._qmp.call("blockdev-del", **{"node-name": self._node})
        self._node = ""

    def _command(self, *, cd_first: bool, mode: FirmwareMode) -> list[str]:
        command = ["qemu-system-x86_64", "-S", "-accel", "tcg,thread=multi"]
        command += ["-machine", "q35", "-cpu", "max", "-nodefaults", "-display", "none", "-vga", "none"]
        command += ["-name", self.name, "-m", str(self.memory_mib), "-smp", str(self.cpus), "-boot", "strict=on"]
        identity = {"manufacturer": self.manufacturer, "product": self.model, "serial": self.serial, "uuid": self.uuid}
        command += ["-uuid", self.uuid, "-smbios", _options("type=1", **identity)]
        command += ["-smbios", _options("type=3", manufacturer=self.manufacturer, serial=self.serial)]
        then = time.gmtime(time.time() + self._clock_offset_s)
        command += ["-rtc", f"base={time.strftime('%Y-%m-%dT%H:%M:%S', then)}"]
        command += [
            "-chardev",
            _options("file,id=console,append=on", path=str(self.console)),
            "-serial",
            "chardev:console",
        ]
        if mode == "UEFI":
            command += self._uefi_options()
        command += ["-device", "virtio-scsi-pci,id=scsi0"]
        for index, drive in enumerate(self._drives):
            command += self._disk_options(index, drive)
        boot = f",bootindex={CD_FIRST if cd_first else CD_LAST}" if self._boots_cd else ""
        command += ["-device", f"scsi-cd,id=cd0,bus=scsi0.0,scsi-id=6{boot}"]
        for index, nic in enumerate(self._nics):
            peer = ""
            if nic.tap:
                command += ["-netdev", f"tap,id=net{index},ifname={nic.tap},script=no,downscript=no"]
                peer = f",netdev=net{index}"
            command += ["-device", f"virtio-net-pci,mac={nic.mac},romfile={peer}"]
        return command

    def _uefi_options(self) -> list[str]:
        variables = self._folder / "uefi-vars.fd"
        if not variables.exists():
            shutil.copy(OVMF_VARS, variables)
        options = []
        for unit, (path, readonly) in enumerate(((OVMF_CODE, "on"), (variables, "off"))):
            kind = f"if=pflash,format=raw,unit={unit},readonly={readonly}"
            options += ["-drive", _options(kind, file=str(path))]
        return options

    def _disk_options(self, index: int, drive: Drive) -> list[str]:
        file = _options(
            f"if=none,id=disk{index},format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap",
            file=str(self.disk_path(index)),
        )
        place = f"scsi-hd,bus=scsi0.0,scsi-id={index},drive=disk{index},bootindex={DISK + index}"
        device = _options(
            f"{place},wwn={_wwn(self.serial, index)},rotation_rate=1",  # 1 means SSD
            vendor=drive.vendor,
            product=drive.model,
            serial=f"{self.serial}-{index}",
        )
        return ["-drive", file, "-device", device]


def _wwn(serial: str, index: int) -> int:
    digest = hashlib.sha256(f"{serial}/{index}".encode()).digest()
    return 0x5000C500 << 32 | int.from_bytes(digest[:4], "big")


def _options(first: str, **values: str) -> str:
    """QEMU's option syntax: a comma inside a value is written twice."""
    return ",".join([first, *(f"{key}={value.replace(',', ',,')}" for key, value in values.items())])


def _make_sparse(path: Path, size_bytes: int) -> None:
    if not path.exists():
        with path.open("wb") as file:
            file.truncate(size_bytes)
