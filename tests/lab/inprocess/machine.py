"""A server as a thread: POST, CD or disk, installer, installed ESXi. Every wait ends when it is powered off."""

import tempfile
import threading
import urllib.error
import urllib.request
import uuid as uuids
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tests.lab.inprocess import ks
from tests.lab.inprocess.cd import Medium, MediumError, read_medium
from tests.lab.inprocess.clock import HostClock
from tests.lab.inprocess.esxi_api import EsxiApi, reserve
from tests.lab.inprocess.installation import Installation, LabDisk
from tests.lab.inprocess.options import Delays, Faults
from tests.lab.inprocess.scripts import Scripts
from tests.lab.inprocess.shown import Hardware
from tests.lab.machine import FirmwareMode

POST = ("PrimaryProcessorInitializationStarted", "MemoryInitializationStarted", "PCIResourceConfigStarted")
CALL_TIMEOUT_S = 5.0


class _PoweredOff(Exception):
    """Ends whatever the server is doing."""


class InProcessMachine:
    """A `Machine`; see the package for what it leaves out.

    api: where its ESXi answers once it runs; port 0 takes a free one, see `api_address`
    console: what a person would read on its screen
    """

    def __init__(
        self,
        name: str,
        *,
        serial: str,
        uuid: str = "",
        macs: Sequence[str] = ("52:54:00:00:00:01",),
        disks: Sequence[LabDisk] = (),
        api: tuple[str, int] = ("127.0.0.1", 0),
        clock: HostClock | None = None,
        delays: Delays | None = None,
        faults: Faults | None = None,
        block_bytes: int = 256 * 1024,
    ) -> None:
        self.name = name
        self.serial = serial
        self.uuid = uuid or str(uuids.uuid5(uuids.NAMESPACE_DNS, f"{name}.{serial}"))
        self.manufacturer, self.model = "herasphere lab", "in-process"
        self.macs = tuple(mac.lower() for mac in macs)
        self.memory_mib, self.cpus = 8192, 2
        self.disks = list(disks) or [LabDisk(f"naa.5000c500{serial.encode().hex()[:8]:0>8}")]
        self.clock = clock or HostClock()
        self.delays = delays or Delays()
        self.faults = faults or Faults()
        self.console: list[str] = []
        self.esxi: EsxiApi | None = None  # while it runs
        self._block_bytes = block_bytes
        self._reserved = reserve(*api)
        self.medium_url = ""
        self._start_first = ""  # the disk that the last installer made the first to start from
        self._progress = "None"
        self._power = threading.RLock()
        self._thread: threading.Thread | None = None
        self._off = threading.Event()
        self._scripts: Scripts | None = None

    @property
    def api_address(self) -> tuple[str, int]:
        host, port = self._reserved.getsockname()
        return str(host), int(port)

    @property
    def is_on(self) -> bool:
        return self._thread is not None

    def power_on(self, *, cd_first: bool, mode: FirmwareMode) -> None:
        with self._power:
            if self._thread is not None:
                return
            self.clock.power_on()
            self._off = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(cd_first, mode), name=self.name, daemon=True)
            self._thread.start()

    def power_off(self) -> None:
        with self._power:
            if self._thread is None:
                return
            self._off.set()
            if self._scripts:
                self._scripts.kill()
            self._thread.join()
            self._thread = None
            self._progress = "None"

    def press_power_button(self) -> None:
        """An installed ESXi shuts down; POST and installer take no notice."""
        if self.esxi is not None:
            self.power_off()

    def insert(self, url: str) -> None:
        self.medium_url = url
        if self.faults.reads_at_insert:
            read_medium(url, block_bytes=self._block_bytes, go_on=lambda _taken, _size: True)

    def eject(self) -> None:
        self.medium_url = ""

    def boot_progress(self) -> str:
        return self._progress

    def close(self) -> None:
        self.power_off()
        self._reserved.close()

    # What the server's own thread does

    def _run(self, cd_first: bool, mode: FirmwareMode) -> None:
        try:
            self._post()
            if cd_first and self._start_cd(mode):
                self._post()
            self._start_disk()
        except _PoweredOff:
            pass
        finally:
            esxi, self.esxi = self.esxi, None
            if esxi:
                esxi.close()

    def _post(self) -> None:
        for step in POST:
            self._progress = step
            self._pause(self.delays.post_s / len(POST))
        if self.faults.hangs_in_post:
            self._wait_for_ever("hangs in POST")
        self._progress = "SystemHardwareInitializationComplete"

    def _start_cd(self, mode: FirmwareMode) -> bool:
        """True when an installer ran from the CD to its end; False when there was nothing to start from."""
        if not self.medium_url or self.faults.ignores_cd:
            self.console.append("CD: not started from")
            return False
        self._progress = "OSBootStarted"
        try:
            medium = Medium(self._read_medium(self.medium_url))
        except MediumError as error:
            self.console.append(f"CD: {error}")
            return False
        try:
            options = medium.kernel_options(mode)
            self._progress = "OSRunning"
            self._installer(medium, options)
        except MediumError as error:
            self.console.append(f"CD: {error}")
            return False
        finally:
            medium.close()
        return True

    def _read_medium(self, url: str) -> bytes:
        def go_on(taken: int, size: int) -> bool:
            if taken >= size * self.faults.stops_reading_at:
                self._wait_for_ever(f"CD: reading stopped at {taken} of {size} bytes")
            self._pause(self.delays.block_s)
            if self.medium_url != url:
                raise MediumError("ejected")
            return True

        return read_medium(url, block_bytes=self._block_bytes, go_on=go_on)

    def _installer(self, medium: Medium, options: list[str]) -> None:
        sources = [word.removeprefix("ks=") for word in options if word.startswith("ks=")]
        if "runweasel" not in options or not sources:
            self._wait_for_ever("installer: waits for a person at the console, as no kickstart is named")
        kind, _, path = sources[-1].partition(":")
        try:
            if kind != "cdrom":
                raise ks.KickstartError(f"this stand-in takes ks=cdrom: only, not {sources[-1]}")
            text = medium.read(path).decode("latin-1")
            with tempfile.TemporaryDirectory(prefix="inprocess-") as folder:
                self._scripts = Scripts(
                    Path(folder), serial=self.serial, manufacturer=self.manufacturer, model=self.model, disks=self.disks
                )
                self._install(text, *medium.version())
        except (ks.KickstartError, MediumError) as error:
            self._wait_for_ever(f"installer: {error}")
        finally:
            self._scripts = None

    def _install(self, text: str, version: str, build: str) -> None:
        kickstart = ks.read(text)
        self._run_scripts("%pre", kickstart)
        answers = ks.complete(kickstart, self._open_include)
        self.console += [f"installer: warning: {note}" for note in kickstart.notes]
        disk = self._checked_disk(answers)
        if self.faults.installer_hangs:
            self._wait_for_ever("installer: hangs")
        self._pause(self.delays.install_s)
        disk.has_vmfs = True
        disk.installation = Installation(
            version=version,
            build=build,
            password_hash=answers.password_hash,
            hostname=answers.hostname,
            address=answers.address,
            netmask=answers.netmask,
            gateway=answers.gateway,
            mac=answers.mac,
            vlan=answers.vlan,
            nameservers=answers.nameservers,
            install_date=self.clock.now(),
        )
        self._start_first = disk.id
        self._run_scripts("%post", kickstart)
        self.console.append(f"installer: installed on {disk.id}, rebooting")

    def _checked_disk(self, answers: ks.Answers) -> LabDisk:
        if not answers.is_rebooting:
            raise ks.KickstartError("a dry run installs nothing")
        if answers.mac not in self.macs:
            raise ks.KickstartError(f"network: no NIC {answers.mac}")
        disk = next((disk for disk in self.disks if disk.id == answers.disk), None)
        if disk is None:
            raise ks.KickstartError(f"install: no disk {answers.disk}")
        if (disk.has_vmfs or disk.installation) and not answers.overwrite_vmfs:
            raise ks.KickstartError(f"install: {disk.id} has a VMFS, and --overwritevmfs is not given")
        return disk

    def _open_include(self, path: str) -> str:
        return self._scripts.open(path) if self._scripts else ""

    def _run_scripts(self, section: str, kickstart: ks.Kickstart) -> None:
        for script in kickstart.scripts[section]:
            self._pause(0)
            if self._scripts is None:
                return
            code, output, calls = self._scripts.run(script.text)
            self.console += [f"{section}: {line}" for line in output.splitlines()]
            self._pause(0)
            for url in calls:
                self._call(url)
            if code and script.options.get("ignorefailure") != "true":
                raise ks.KickstartError(f"{section} ended with {code}")

    def _call(self, url: str) -> None:
        """What the installer's wget would have asked for; failures are nobody's business, as there."""
        if self.faults.calls_nobody:
            return
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(url, timeout=CALL_TIMEOUT_S).close()
        except OSError as error:
            self.console.append(f"wget: {url}: {error}")
            if isinstance(error, urllib.error.HTTPError):
                error.close()

    def _start_disk(self) -> None:
        installed = [disk for disk in self.disks if disk.installation]
        installed.sort(key=lambda disk: disk.id != self._start_first)
        if not installed or installed[0].installation is None:
            self._wait_for_ever("no boot device")
        self._progress = "OSBootStarted"
        boot_time = self.clock.now()
        self._pause(self.delays.start_s)
        hardware = Hardware(self.serial, self.uuid, self.manufacturer, self.model, self.macs, tuple(self.disks))
        esxi = EsxiApi(installed[0].installation, hardware, clock=self.clock, boot_time=boot_time)
        esxi.start(reserve(*self.api_address))
        self.esxi = esxi
        self._progress = "OSRunning"
        self._wait_for_ever(f"ESXi runs from {installed[0].id}")

    def _pause(self, seconds: float) -> None:
        if self._off.wait(seconds):
            raise _PoweredOff

    def _wait_for_ever(self, why: str) -> NoReturn:
        """Until it is powered off."""
        self.console.append(why)
        self._off.wait()
        raise _PoweredOff
