"""The simulated site as one thing: it comes up, installs through its BMCs, refuses, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.clients import esxi, redfish
from steps.domain.esxi import EsxiSeen
from steps.domain.host import Bmc, Host, SecretRef
from steps.domain.kickstart import render
from steps.domain.passwords import sha512_crypt
from steps.domain.splice import SplicedImage, make_template
from tests.lab.build import build
from tests.lab.here import network_for_tests, why_not
from tests.lab.medium import MediumServer
from tests.lab.network import LabNetwork, NetworkRefused
from tests.lab.site import REPOSITORY, Server, Site
from tests.lab.spec import OldInstallation, ServerSpec, default_servers
from workflows.desk import Desk

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]

NETWORK = network_for_tests("b", 1)
CRASHED = network_for_tests("c", 2)
CRASHING = """
import sys, time
from pathlib import Path
from tests.lab.network import LabNetwork
from tests.lab.site import Site
from tests.lab.spec import ServerSpec
network = LabNetwork(*sys.argv[2:])
with Site(Path(sys.argv[1]), [ServerSpec("esx01", "LAB0001", is_on=True)], network=network):
    print("up", flush=True)
    time.sleep(600)
"""


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), default_servers(2), network=NETWORK, say=quiet) as site:
        yield site


def bmc_of(site: Site, server: Server) -> tuple[Bmc, str, str]:
    """The BMC, its password, and the CA that signed its certificate."""
    ref = SecretRef(name="x", key="x")
    bmc = Bmc(url=f"https://{server.bmc_address}", username="root", password=ref)
    return bmc, (site.secrets / "bmc-password").read_text(), (site.secrets / "ca.pem").read_text()


def links() -> list[str]:
    shown = subprocess.run(["ip", "-json", "link", "show"], capture_output=True, text=True, check=True).stdout
    return [link["ifname"] for link in json.loads(shown)]


def processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_each_bmc_is_its_server(site: Site) -> None:
    for server in site.servers:
        bmc, password, ca = bmc_of(site, server)
        with redfish.connect(bmc, password=password, ca_pem=ca) as client:
            facts = client.facts()
        assert (facts.serial, facts.macs, facts.power) == (server.spec.serial, (server.mac,), "off")


def test_host_table_is_one_that_hera_takes(site: Site) -> None:
    plan = Desk(site.host_table, {}).plan()
    assert [host.name for host in plan.hosts] == ["esx01", "esx02"]
    assert [host.boot_mode for host in plan.hosts] == ["uefi", "bios"]
    assert [host.network.address for host in plan.hosts] == [server.address for server in site.servers]
    assert plan.hosts[0].disk.id == site.servers[0].disk_id


def test_up_again_touches_nothing(site: Site) -> None:
    before = site.network.processes()
    site.up()
    assert site.network.processes() == before
    assert [answers for _, _, answers in site.status()] == [True, True]


def test_another_site_on_the_same_network_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NetworkRefused, match=f"up on the network {NETWORK.name} already"):
        Site(tmp_path, default_servers(1), network=NETWORK, say=quiet).up()
    with pytest.raises(NetworkRefused, match=f"{NETWORK.subnet} is used on this machine already"):
        LabNetwork("hsother", NETWORK.subnet).up(1)
    assert "hsother0" not in links()


def test_installs_through_the_bmc_and_calls_back(site: Site) -> None:
    server = site.servers[1]
    host = Desk(site.host_table, {}).plan().hosts[1]
    bmc, password, ca = bmc_of(site, server)
    iso = build(quiet).iso
    blank = SplicedImage(size_bytes=iso.stat().st_size, splices=())
    with (
        MediumServer(site.network.host_address, iso, blank) as medium,
        redfish.connect(bmc, password=password, ca_pem=ca) as client,
    ):
        medium.serve(_view(iso, host, site.root_password, medium.callback_url))
        assert client.insert(medium.url).inserted
        assert client.boot_once_from_cd("bios").enabled == "Once"
        client.power_on()
        seen = _wait_for_api(server)
        assert client.boot_override().enabled == "Disabled"
        assert client.boot_progress() == "OSRunning"
        assert medium.calls == ["pre-ok", "post-ok"]
        assert not client.eject().inserted
        client.power_off()
    assert (seen.version, seen.build) == ("8.0.3", "24022510")


def _view(iso: Path, host: Host, password: str, callback_url: str) -> SplicedImage:
    text = render(host, root_password_hash=sha512_crypt(password, salt="lab"), callback_url=callback_url)
    with iso.open("rb") as file:
        return make_template(file).view(text.encode())


def _wait_for_api(server: Server) -> EsxiSeen:
    end = time.monotonic() + 240
    while True:
        seen = esxi.look(server.address, 443, timeout_s=2)
        if seen is not None:
            return seen
        assert time.monotonic() < end, server.console.read_text(errors="replace")[-2000:]
        time.sleep(0.5)


def test_next_site_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    folder = tmp_path / "crashed"
    owner = subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(folder), CRASHED.name, CRASHED.subnet],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    lines = iter(owner.stdout.readline, "")
    assert any(line == "up\n" for line in lines)
    assert any("qemu-system-x86_64" in line for line in processes_of(folder))
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    end = time.monotonic() + 10
    while processes_of(folder):
        assert time.monotonic() < end, processes_of(folder)
        time.sleep(0.1)
    old = ServerSpec("esx01", "LAB0001", old_installation=OldInstallation("Old-Pass9x"), is_on=True, boot_mode="bios")
    with Site(tmp_path / "next", [old], network=CRASHED, say=quiet) as site:
        _wait_for_api(site.servers[0])
        with esxi.login(site.servers[0].address, 443, password="Old-Pass9x") as host:
            assert host.facts().hostname == "esx01.lab.test"
    assert not CRASHED.is_up
    assert not [link for link in links() if link.startswith(CRASHED.name)]
    assert not processes_of(tmp_path)
