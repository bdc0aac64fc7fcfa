"""The in-process server does what a real one does with this project's kickstart, and stops where a real one stops."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

import pytest

from steps.clients import esxi
from steps.domain import kickstart, passwords
from steps.domain.errors import TimedOut
from steps.domain.esxi import EsxiSeen
from steps.domain.host import Bmc, Disk, Host, Iso, Network, SecretRef
from steps.domain.wait import wait_until
from tests.lab.inprocess import ks
from tests.lab.inprocess.cd import BOOT_CONFIG, Medium, MediumError, read_medium
from tests.lab.inprocess.clock import HostClock
from tests.lab.inprocess.installation import Installation, LabDisk
from tests.lab.inprocess.iso import BUILD, VERSION, make_iso
from tests.lab.inprocess.machine import InProcessMachine
from tests.lab.inprocess.options import Delays, Faults
from tests.lab.machine import FirmwareMode, Machine

PASSWORD = "Lab-Passw0rd!"
HASH = passwords.sha512_crypt(PASSWORD, salt="saltstring")
MAC = "52:54:00:00:00:01"
MODES: tuple[FirmwareMode, ...] = ("UEFI", "Legacy")
QUICK = Delays(post_s=0, install_s=0, start_s=0)

Found = TypeVar("Found")


@dataclass
class Web:
    """An HTTP server with Range for one ISO; every request is kept."""

    url: str = ""
    content: bytes = b""
    requests: list[str] = field(default_factory=list)
    hang_ups: int = 0  # so many requests from now on get no answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, web: Web, *arguments: object) -> None:
        self.web = web
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(200, b"", len(self.web.content))

    def do_GET(self) -> None:
        if not self.path.endswith(".iso"):
            return self._answer(200, b"", 0)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        assert found
        first, last = int(found[1]), int(found[2])
        part = self.web.content[first : last + 1]
        return self._answer(206, part, len(part), f"bytes {first}-{last}/{len(self.web.content)}")

    def _answer(self, status: int, body: bytes, length: int, content_range: str = "") -> None:
        self.web.requests.append(f"{self.command} {self.path}")
        if self.web.hang_ups:
            self.web.hang_ups -= 1
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Web]:
    shared = Web()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, shared)) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        shared.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield shared
        server.shutdown()
        thread.join()


def host(disk: Disk, *, serial: str = "SN1", mac: str = MAC, overwrite_vmfs: bool = False) -> Host:
    ref = SecretRef(name="s", key="k")
    return Host(
        name="esx01",
        serial=serial,
        bmc=Bmc(url="https://10.0.0.11", username="root", password=ref),
        iso=Iso(sha256="0" * 64, name="esxi.iso", size_bytes=1, version=VERSION, build=BUILD),
        disk=disk,
        network=Network(
            mac=mac,
            address="10.0.1.11",
            netmask="255.255.255.0",
            gateway="10.0.1.1",
            nameservers=("10.0.0.53",),
            hostname="esx01.example.com",
        ),
        root_password=ref,
        overwrite_vmfs=overwrite_vmfs,
    )


def render(wanted: Host, web: Web | None = None) -> str:
    return kickstart.render(wanted, root_password_hash=HASH, callback_url=f"{web.url}/cb" if web else "")


@contextmanager
def server(
    web: Web,
    folder: Path,
    text: str,
    *,
    modes: tuple[FirmwareMode, ...] = MODES,
    disks: tuple[LabDisk, ...] = (),
    faults: Faults | None = None,
    clock: HostClock | None = None,
) -> Iterator[InProcessMachine]:
    """A server with a medium inserted that holds this kickstart."""
    web.content = make_iso(folder / "host.iso", size_mib=1, kickstart=text, kickstart_modes=modes).read_bytes()
    disks = disks or (LabDisk("naa.1"),)
    machine = InProcessMachine(
        "esx01", serial="SN1", macs=(MAC,), disks=disks, delays=QUICK, faults=faults, clock=clock
    )
    with closing(machine):
        machine.insert(f"{web.url}/esx01.iso")
        yield machine


def until(machine: InProcessMachine, probe: Callable[[], Found | None], what: str) -> Found:
    """Wait; a failure shows the server's console."""
    try:
        return wait_until(probe, what=what, where=machine.name, hint="-", timeout_s=30, every_s=0.02)
    except TimedOut as error:
        raise AssertionError("\n".join([str(error), *machine.console])) from error


def until_seen(machine: InProcessMachine) -> EsxiSeen:
    return until(machine, lambda: esxi.look(*machine.api_address), "ESXi")


def until_told(machine: InProcessMachine, text: str) -> None:
    until(machine, lambda: any(text in line for line in machine.console) or None, text)


def installation(**changes: object) -> Installation:
    values: dict[str, object] = {
        "version": VERSION,
        "build": BUILD,
        "password_hash": HASH,
        "hostname": "old.example.com",
        "address": "10.0.1.11",
        "netmask": "255.255.255.0",
        "gateway": "10.0.1.1",
        "mac": MAC,
        "install_date": datetime(2024, 7, 1, tzinfo=UTC),
        **changes,
    }
    return Installation(**values)  # type: ignore[arg-type]


def as_machine(machine: InProcessMachine) -> Machine:
    """What makes mypy compare the class with the protocol."""
    return machine


@pytest.mark.parametrize("mode", MODES)
def test_an_installation_is_what_the_kickstart_says(web: Web, tmp_path: Path, mode: FirmwareMode) -> None:
    disks = (LabDisk("naa.1"), LabDisk("naa.2", model="BOSS VD"))
    with server(web, tmp_path, render(host(Disk(model="boss vd")), web), disks=disks) as machine:
        before = datetime.now(UTC)
        as_machine(machine).power_on(cd_first=True, mode=mode)
        seen = until_seen(machine)
        with esxi.login(*machine.api_address, password=PASSWORD, thumbprint=seen.thumbprint) as client:
            facts = client.facts()
        assert (seen.version, seen.build, seen.product) == (VERSION, BUILD, "embeddedEsx")
        assert (facts.serial, facts.uuid, facts.hostname) == ("SN1", machine.uuid, "esx01.example.com")
        assert (facts.addresses, facts.macs) == (("10.0.1.11",), (MAC,))
        assert (facts.disks, facts.system_disks) == (("naa.1", "naa.2"), ("naa.2",))
        assert facts.install_date and facts.boot_time
        assert before <= facts.install_date <= facts.boot_time <= facts.now
        assert machine.boot_progress() == "OSRunning"
        calls = [request.split("?")[0] for request in web.requests if "/cb/" in request]
        assert calls == ["GET /cb/pre-ok", "GET /cb/post-ok"]
        assert not [line for line in machine.console if "warning" in line]


@pytest.mark.parametrize("mode", MODES)
def test_only_the_boot_config_of_the_firmware_counts(web: Web, tmp_path: Path, mode: FirmwareMode) -> None:
    others = tuple(other for other in MODES if other != mode)
    with server(web, tmp_path, render(host(Disk(id="naa.1"))), modes=others) as machine:
        machine.power_on(cd_first=True, mode=mode)
        until_told(machine, "waits for a person at the console")
        assert machine.is_on and machine.disks[0].installation is None


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (host(Disk(id="naa.1"), serial="SN2"), "serial number of this server is 'SN1', the plan is for 'SN2'"),
        (host(Disk(id="naa.9")), "0 disks match"),
        (host(Disk(min_gib=1)), "2 disks match"),
        (host(Disk(id="naa.1"), mac="52:54:00:00:00:09"), "no NIC 52:54:00:00:00:09"),
        (host(Disk(id="naa.2")), "naa.2 has a VMFS, and --overwritevmfs is not given"),
    ],
    ids=["serial", "no disk", "two disks", "nic", "vmfs"],
)
def test_the_installer_stops_before_it_writes(web: Web, tmp_path: Path, wanted: Host, told: str) -> None:
    disks = (LabDisk("naa.1"), LabDisk("naa.2", has_vmfs=True))
    with server(web, tmp_path, render(wanted, web), disks=disks) as machine:
        machine.power_on(cd_first=True, mode="UEFI")
        until_told(machine, told)
        assert [disk.installation for disk in machine.disks] == [None, None]
        assert not [request for request in web.requests if "post-ok" in request]


def test_a_vmfs_is_written_over_when_asked(web: Web, tmp_path: Path) -> None:
    text = render(host(Disk(id="naa.1"), overwrite_vmfs=True))
    with server(web, tmp_path, text, disks=(LabDisk("naa.1", installation=installation()),)) as machine:
        machine.power_on(cd_first=True, mode="UEFI")
        until_seen(machine)
        assert machine.disks[0].installation and machine.disks[0].installation.hostname == "esx01.example.com"


def test_once_means_once(web: Web, tmp_path: Path) -> None:
    with server(web, tmp_path, render(host(Disk(id="naa.1")))) as machine:
        machine.power_on(cd_first=True, mode="UEFI")
        first = until_seen(machine)
        machine.power_off()
        assert not machine.is_on and machine.boot_progress() == "None" and esxi.look(*machine.api_address) is None
        machine.power_on(cd_first=False, mode="UEFI")
        assert until_seen(machine) == first


def test_an_old_installation_answers_when_the_cd_is_ignored(web: Web, tmp_path: Path) -> None:
    disks = (LabDisk("naa.1", installation=installation()),)
    text = render(host(Disk(id="naa.1"), overwrite_vmfs=True))
    with server(web, tmp_path, text, disks=disks, faults=Faults(ignores_cd=True)) as machine:
        machine.power_on(cd_first=True, mode="UEFI")
        until_seen(machine)
        with esxi.login(*machine.api_address, password=PASSWORD) as client:
            assert client.facts().hostname == "old.example.com"
        assert not web.requests


def test_reading_stops_half_way(web: Web, tmp_path: Path) -> None:
    with server(web, tmp_path, render(host(Disk(id="naa.1"))), faults=Faults(stops_reading_at=0.5)) as machine:
        machine.power_on(cd_first=True, mode="UEFI")
        until_told(machine, "reading stopped at")
        assert machine.boot_progress() == "OSBootStarted" and machine.disks[0].installation is None


def test_hanging_in_post(web: Web, tmp_path: Path) -> None:
    with server(web, tmp_path, render(host(Disk(id="naa.1"))), faults=Faults(hangs_in_post=True)) as machine:
        machine.power_on(cd_first=True, mode="UEFI")
        until_told(machine, "hangs in POST")
        assert machine.boot_progress() == "PCIResourceConfigStarted"
        machine.press_power_button()
        assert machine.is_on and not web.requests


def test_a_bmc_that_reads_in_advance(web: Web, tmp_path: Path) -> None:
    with server(web, tmp_path, render(host(Disk(id="naa.1"))), faults=Faults(reads_at_insert=True)) as machine:
        assert not machine.is_on and len(web.requests) > 1


def test_nothing_to_start_from(web: Web, tmp_path: Path) -> None:
    with server(web, tmp_path, render(host(Disk(id="naa.1")))) as machine:
        machine.eject()
        machine.power_on(cd_first=True, mode="UEFI")
        until_told(machine, "no boot device")
        assert machine.boot_progress() == "SystemHardwareInitializationComplete"


def test_an_empty_battery_starts_every_boot_at_the_same_date(web: Web, tmp_path: Path) -> None:
    clock = HostClock(reset_to=datetime(2010, 1, 1, tzinfo=UTC))
    with server(web, tmp_path, render(host(Disk(id="naa.1"))), clock=clock) as machine:
        for _ in range(2):
            machine.power_on(cd_first=not machine.disks[0].installation, mode="UEFI")
            until_seen(machine)
            with esxi.login(*machine.api_address, password=PASSWORD) as client:
                facts = client.facts()
            machine.power_off()
            assert facts.boot_time and facts.install_date
            assert facts.install_date.year == 2010 and facts.now - facts.boot_time < timedelta(minutes=1)


def test_power_off_ends_a_running_script_and_leaves_no_thread(web: Web, tmp_path: Path) -> None:
    text = render(host(Disk(id="naa.1"))).replace(
        "set -f\n", "set -f\necho begun > /tmp/herasphere-x; cat /dev/zero >/dev/null\n"
    )
    names = {thread.name for thread in threading.enumerate()}
    with server(web, tmp_path, text) as machine:
        machine.power_on(cd_first=True, mode="UEFI")
        until(machine, lambda: machine.boot_progress() == "OSRunning" or None, "the installer")
        machine.power_off()
        assert machine.disks[0].installation is None
    assert {thread.name for thread in threading.enumerate()} - names <= {"lab-servers"}


def test_many_at_once(web: Web, tmp_path: Path) -> None:
    web.content = make_iso(tmp_path / "x.iso", size_mib=1, kickstart=render(host(Disk(id="naa.1")))).read_bytes()
    machines = [
        InProcessMachine(f"esx{n}", serial="SN1", macs=(MAC,), disks=(LabDisk("naa.1"),), delays=QUICK)
        for n in range(8)
    ]
    try:
        for machine in machines:
            machine.insert(f"{web.url}/x.iso")
            machine.power_on(cd_first=True, mode="UEFI")
        assert len({until_seen(machine).thumbprint for machine in machines}) == 8
    finally:
        for machine in machines:
            machine.close()


def test_a_medium_needs_a_boot_entry_and_its_files(tmp_path: Path) -> None:
    whole = make_iso(tmp_path / "x.iso", size_mib=1).read_bytes()
    with closing(Medium(whole)) as medium:
        assert medium.version() == (VERSION, BUILD)
        assert medium.kernel_options("UEFI") == medium.kernel_options("Legacy") == ["runweasel", "cdromBoot"]
        assert medium.read(BOOT_CONFIG["UEFI"]) == medium.read(BOOT_CONFIG["Legacy"])
    lacking = Medium(whole.replace(b"modules=/s.v00", b"modules=/t.v00"))
    with closing(lacking), pytest.raises(MediumError, match=r"/T\.V00 is not on the CD"):
        lacking.kernel_options("UEFI")
    with pytest.raises(MediumError, match="no ISO 9660"):
        Medium(b"\0" * 65536)


def test_a_lost_connection_is_made_again(web: Web) -> None:
    web.content, web.hang_ups = bytes(range(256)), 2
    taken = read_medium(f"{web.url}/x.iso", block_bytes=100, go_on=lambda _taken, _size: True)
    assert taken == web.content
    assert web.requests == ["HEAD /x.iso"] * 3 + ["GET /x.iso"] * 3
    web.hang_ups = 3
    with pytest.raises(MediumError, match="closed connection without response"):
        read_medium(f"{web.url}/x.iso", block_bytes=100, go_on=lambda _taken, _size: True)


def test_a_medium_that_cannot_be_read() -> None:
    with pytest.raises(MediumError, match="refused"):
        read_medium("http://127.0.0.1:1/x.iso", block_bytes=1024, go_on=lambda _taken, _size: True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("vmaccepteula\n", ""), "vmaccepteula is missing"),
        (("--iscrypted ", ""), "takes --iscrypted and one hash"),
        (("$6$", "$5$"), "not a SHA-512 hash"),
        (("--disk=naa.1", "--firstdisk=local"), "takes --disk only"),
        (("--bootproto=static", "--bootproto=dhcp"), "--bootproto=static only"),
        (("--gateway=10.0.1.1", ""), "missing gateway"),
        (("reboot\n", ""), "reboot is missing"),
        (("install ", "upgrade "), "this stand-in only installs"),
        (("'US Default'", "'US Default"), "No closing quotation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_kickstart_reader_stops(change: tuple[str, str], told: str) -> None:
    text = render(host(Disk(id="naa.1")))
    assert change[0] in text
    with pytest.raises(ks.KickstartError, match=re.escape(told)):
        ks.complete(ks.read(text.replace(*change)), lambda path: "")


def test_the_kickstart_reader_notes_what_the_installer_skips() -> None:
    text = render(host(Disk(id="naa.1"))) + "\nkeyboard German\nrootpassword x\nnetwork --vlan=3\n"
    kickstart_read = ks.read(text.replace("\n\n%pre", "\nkeyboard German\nrootpassword x\n\n%pre", 1))
    assert kickstart_read.notes == ["keyboard is given twice, the last one holds", "unknown command rootpassword"]
