"""The ESXi stand-in on emulated servers: what boots, what the installer obeys and refuses, what the host answers."""

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steps.clients import esxi
from steps.domain.errors import AccessDenied
from steps.domain.host import Bmc, Disk, Host, Iso, Network, SecretRef
from steps.domain.kickstart import render
from steps.domain.passwords import sha512_crypt
from steps.domain.splice import SplicedImage, make_template
from tests.lab.build import Built, build
from tests.lab.here import network_for_tests, why_not
from tests.lab.installed import Installation, write_installed_disk
from tests.lab.machine import FirmwareMode
from tests.lab.medium import MediumServer
from tests.lab.network import LabNetwork
from tests.lab.qemu import Drive, Nic, QemuMachine
from tests.lab.virtualcd import MediaUnreadable

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]

BOOT_S = 180  # of patience: a boot takes 10 to 20 s on an idle machine
PASSWORD = "First-Pass9x"
SERIAL = "LAB0001"
MAC = "52:54:00:63:4d:01"


@pytest.fixture(scope="module")
def built() -> Built:
    return build(lambda text: None)


@pytest.fixture(scope="module")
def iso(built: Built) -> Path:
    return built.iso


@pytest.fixture(scope="module")
def network() -> Iterator[LabNetwork]:
    network = network_for_tests("a", 0)
    network.up(1)
    yield network
    network.down()


@pytest.fixture
def make_machine(network: LabNetwork, tmp_path: Path) -> Iterator[Callable[..., QemuMachine]]:
    machines: list[QemuMachine] = []

    def make(**options: object) -> QemuMachine:
        nics = [Nic(MAC, network.tap(0))]
        machine = QemuMachine(tmp_path, name="esx01", serial=SERIAL, nics=nics, namespace=network.name, **options)  # type: ignore[arg-type]
        machines.append(machine)
        return machine

    yield make
    for machine in machines:
        machine.close()


def kickstart(network: LabNetwork, *, disk: Disk, serial: str = SERIAL, mac: str = MAC, overwrite: bool = False) -> str:
    """The product's own kickstart for the machine of these tests."""
    nowhere = SecretRef(name="x", key="x")
    host = Host(
        name="esx01",
        serial=serial,
        bmc=Bmc(url="https://bmc.lab.test", username="root", password=nowhere),
        iso=Iso(sha256="0", name="x.iso", size_bytes=1, version="8.0.3", build="24022510"),
        disk=disk,
        network=Network(
            mac=mac,
            address=network.esxi_address(0),
            netmask=network.netmask,
            gateway=network.host_address,
            nameservers=(network.host_address,),
            hostname="esx01.lab.test",
        ),
        root_password=nowhere,
        overwrite_vmfs=overwrite,
    )
    return render(host, root_password_hash=sha512_crypt(PASSWORD, salt="lab"), callback_url="")


@contextmanager
def medium(network: LabNetwork, iso: Path, text: str) -> Iterator[MediumServer]:
    with iso.open("rb") as file:
        view = make_template(file).view(text.encode())
    with MediumServer(network.host_address, iso, view) as server:
        yield server


def old_disk(machine: QemuMachine, network: LabNetwork, built: Built, *, mac: str = MAC) -> None:
    """The machine's disk holds an installation of 100 days ago."""
    installation = Installation(
        mac=mac,
        address=network.esxi_address(0),
        netmask=network.netmask,
        gateway=network.host_address,
        hostname="old.lab.test",
        password="Old-Pass9x",
        disk_id=machine.disk_ids[0],
        installed_at=datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=100),
    )
    write_installed_disk(machine.disk_path(), 160, built, installation)


def wait_for(machine: QemuMachine, text: str, *, times: int = 1) -> None:
    """Until the console has shown the text so often."""
    end = time.monotonic() + BOOT_S
    while machine.console_text().count(text) < times:
        assert machine.is_on, f"the machine went off before it said {text!r}:\n{machine.console_text()[-2000:]}"
        assert time.monotonic() < end, f"no {text!r} on the console:\n{machine.console_text()[-2000:]}"
        time.sleep(0.2)


def is_untouched(machine: QemuMachine) -> bool:
    return machine.disk_path().stat().st_blocks == 0


def test_uefi_installs_reboots_from_disk_and_keeps_its_identity(
    make_machine: Callable[..., QemuMachine], network: LabNetwork, iso: Path
) -> None:
    three_days = 3 * 86400
    machine = make_machine(clock_offset_s=-three_days)
    with medium(network, iso, kickstart(network, disk=Disk(id=machine.disk_ids[0]))) as server:
        machine.insert(server.url)
        assert machine.boot_progress() == "None"
        machine.power_on(cd_first=True, mode="UEFI")
        wait_for(machine, "standin: role installer, firmware UEFI")
        assert machine.boot_progress() == "OSRunning"
        wait_for(machine, "weasel: rebooting")
        read = server.bytes_read
        wait_for(machine, "host: API up")
        assert machine.console_text().count("role installer") == 1
        assert server.bytes_read - read < 8 << 20, "more of the CD was read than a firmware's look at its first sectors"

        first = esxi.look(network.esxi_address(0), 443)
        assert first is not None
        assert (first.product, first.version, first.build) == ("embeddedEsx", "8.0.3", "24022510")
        with pytest.raises(AccessDenied), esxi.login(network.esxi_address(0), 443, password="Wrong-Pass9x"):
            pass
        with esxi.login(network.esxi_address(0), 443, password=PASSWORD, thumbprint=first.thumbprint) as host:
            facts = host.facts()
            host.set_root_password("Second-Pass9x")
        assert (facts.serial, facts.uuid, facts.hostname) == (SERIAL, machine.uuid, "esx01.lab.test")
        assert (facts.addresses, facts.macs) == ((network.esxi_address(0),), (MAC,))
        assert facts.disks == facts.system_disks == machine.disk_ids
        assert facts.install_date is not None and facts.boot_time is not None
        assert facts.install_date < facts.boot_time < facts.now
        behind = datetime.datetime.now(datetime.UTC) - facts.now
        assert abs(behind - datetime.timedelta(seconds=three_days)) < datetime.timedelta(hours=1)

        machine.power_off()
        assert not machine.is_on
        machine.power_on(cd_first=False, mode="UEFI")  # the medium is still in
        wait_for(machine, "host: API up", times=2)
        assert machine.console_text().count("role installer") == 1
    with esxi.login(network.esxi_address(0), 443, password="Second-Pass9x", thumbprint=first.thumbprint) as host:
        again = host.facts()
    assert again.install_date == facts.install_date
    assert again.boot_time is not None and again.boot_time > facts.boot_time
    with pytest.raises(AccessDenied), esxi.login(network.esxi_address(0), 443, password=PASSWORD):
        pass
    machine.press_power_button()
    end = time.monotonic() + 30
    while machine.is_on:
        assert time.monotonic() < end, "the power button did nothing"
        time.sleep(0.1)


def test_bios_writes_over_an_old_installation_only_when_told_to(
    make_machine: Callable[..., QemuMachine], network: LabNetwork, iso: Path, built: Built
) -> None:
    machine = make_machine()
    old_disk(machine, network, built)
    rule = Disk(vendor="ATA", min_gib=100)
    with medium(network, iso, kickstart(network, disk=rule)) as server:
        machine.insert(server.url)
        machine.power_on(cd_first=True, mode="Legacy")
        wait_for(machine, "installation stopped")
        assert f"{machine.disk_ids[0]} contains a VMFS datastore" in machine.console_text()
        assert "writing to" not in machine.console_text()
        machine.power_off()
    with medium(network, iso, kickstart(network, disk=rule, overwrite=True)) as server:
        machine.insert(server.url)
        machine.power_on(cd_first=True, mode="Legacy")
        wait_for(machine, "host: API up")
    assert "role host, firmware BIOS" in machine.console_text()
    with esxi.login(network.esxi_address(0), 443, password=PASSWORD) as host:
        facts = host.facts()
    assert facts.install_date is not None
    assert datetime.datetime.now(datetime.UTC) - facts.install_date < datetime.timedelta(hours=1)


def test_server_that_never_boots_its_cd_shows_the_old_installation(
    make_machine: Callable[..., QemuMachine], network: LabNetwork, iso: Path, built: Built
) -> None:
    machine = make_machine(boots_cd=False)
    old_disk(machine, network, built)
    with medium(network, iso, kickstart(network, disk=Disk(min_gib=1), overwrite=True)) as server:
        machine.insert(server.url)
        machine.power_on(cd_first=True, mode="UEFI")
        wait_for(machine, "host: API up")
    assert "role installer" not in machine.console_text()
    with esxi.login(network.esxi_address(0), 443, password="Old-Pass9x") as host:
        facts = host.facts()
    assert facts.install_date is not None
    assert datetime.datetime.now(datetime.UTC) - facts.install_date > datetime.timedelta(days=99)


@pytest.mark.parametrize("mode", ["UEFI", "Legacy"])
def test_without_kickstart_the_installer_waits(
    make_machine: Callable[..., QemuMachine], network: LabNetwork, iso: Path, mode: FirmwareMode
) -> None:
    machine = make_machine()
    plain = SplicedImage(size_bytes=iso.stat().st_size, splices=())
    with MediumServer(network.host_address, iso, plain) as server:
        machine.power_on(cd_first=True, mode=mode)  # nothing is in yet: the firmware finds nothing to start
        machine.insert(server.url)
        machine.eject()
        machine.insert(server.url)
        machine.power_off()
        machine.power_on(cd_first=True, mode=mode)
        wait_for(machine, "no ks= in kernelopt; waiting as the interactive installer")
    assert machine.is_on
    assert is_untouched(machine)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"serial": "OTHER"}, "serial number of this server is 'LAB0001', the plan is for 'OTHER'"),
        ({"mac": "52:54:00:00:00:99"}, "--device=52:54:00:00:00:99: no such NIC"),
    ],
    ids=["pre-fails", "mac"],
)
def test_stops_before_writing(
    make_machine: Callable[..., QemuMachine], network: LabNetwork, iso: Path, changed: dict[str, object], said: str
) -> None:
    machine = make_machine(drives=[Drive(160), Drive(40)])
    wanted: dict[str, object] = {"disk": Disk(id=machine.disk_ids[1]), **changed}
    with medium(network, iso, kickstart(network, **wanted)) as server:  # type: ignore[arg-type]
        machine.insert(server.url)
        machine.power_on(cd_first=True, mode="Legacy")
        wait_for(machine, "installation stopped, a person is needed")
    assert said in machine.console_text()
    assert is_untouched(machine)
    assert machine.disk_path(1).stat().st_blocks == 0


def test_installed_host_without_its_nic_has_no_network(
    make_machine: Callable[..., QemuMachine], network: LabNetwork, built: Built
) -> None:
    machine = make_machine()
    old_disk(machine, network, built, mac="52:54:00:00:00:99")
    machine.power_on(cd_first=False, mode="Legacy")
    wait_for(machine, "host: API up")
    assert "no NIC has the MAC 52:54:00:00:00:99: no network" in machine.console_text()
    assert esxi.look(network.esxi_address(0), 443, timeout_s=2) is None


def test_media_that_cannot_be_read_are_refused(make_machine: Callable[..., QemuMachine], network: LabNetwork) -> None:
    machine = make_machine()
    with pytest.raises(MediaUnreadable, match="refused"):
        machine.insert(f"http://{network.host_address}:9/x.iso")
