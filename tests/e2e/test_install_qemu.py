"""`hera run install-hosts` against servers that really boot: QEMU, firmware, boot loader, kernel, over real Redfish."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from steps.clients import esxi, redfish
from steps.domain.host import Bmc, SecretRef
from steps.domain.wait import wait_until
from tests.e2e.hera import ROOT, Said, command, environment, hera
from tests.lab.here import network_for_tests, why_not
from tests.lab.site import Server, Site
from tests.lab.spec import OldInstallation, ServerSpec, default_servers

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
]

OLD_PASSWORD = "Lab-0ld-Pass-xQ7z"
FRESH = network_for_tests("e", 3)
ODD = network_for_tests("f", 4)


def quiet(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("fresh"), default_servers(2), network=FRESH, say=quiet) as site:
        yield site


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three odd servers: two start from their disk whatever the BMC says, one has a wrong clock."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "secrets").mkdir(mode=0o700)
    (folder / "secrets" / "root-password").write_text(OLD_PASSWORD)
    servers = (
        ServerSpec("esx01", "LAB0001", old_installation=OldInstallation(OLD_PASSWORD), is_on=True, boots_cd=False),
        ServerSpec("esx02", "LAB0002", boot_mode="bios", boots_cd=False),
        ServerSpec("esx03", "LAB0003", boot_mode="bios", clock_offset_s=-3 * 365 * 86_400),
    )
    with Site(folder, servers, network=ODD, say=quiet) as site:
        table = yaml.safe_load(site.host_table.read_text())
        table["hosts"][1]["timeouts"] = {"boot_s": 45}
        table["hosts"][2]["proof"] = "one-time-password"
        site.host_table.write_text(yaml.safe_dump(table))
        wait_until(
            lambda: esxi.look(site.servers[0].address, 443),
            what="the old installation",
            where="esx01",
            hint=str(site.servers[0].console),
            timeout_s=180,
        )
        yield site


def install(folder: Path, site: Site, *words: str | Path) -> Said:
    return hera(folder, "run", "install-hosts", "-f", site.host_table, "--yes", "--json", *words, timeout_s=480)


def faults_of(said: Said) -> dict[str, str]:
    return {event.get("host", ""): event["text"] for event in said.events("fault")}


def assert_left_clean(site: Site, *servers: Server) -> None:
    """Nothing mounted and no boot override, as the BMC itself says."""
    for server in servers or site.servers:
        bmc = Bmc(url=f"https://{server.bmc_address}", username="root", password=SecretRef(name="x", key="x"))
        password, ca = (site.secrets / "bmc-password").read_text(), (site.secrets / "ca.pem").read_text()
        with redfish.connect(bmc, password=password, ca_pem=ca) as client:
            assert not client.cd().inserted
            assert client.boot_override().enabled == "Disabled"


def test_a_table_becomes_two_verified_hosts(fresh: Site, tmp_path: Path) -> None:
    said = install(tmp_path, fresh, "--report", tmp_path / "report")
    assert said.code == 0, said.err + str(faults_of(said))
    assert_left_clean(fresh)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [host["phase"] for host in report["hosts"]] == ["Succeeded", "Succeeded"]
    for server in fresh.servers:
        seen = esxi.look(server.address, 443)
        assert seen is not None and (seen.version, seen.build) == ("8.0.3", "24022510")
        with esxi.login(server.address, 443, password=fresh.root_password) as host:
            facts = host.facts()
        assert (facts.serial, facts.addresses, facts.system_disks) == (
            server.spec.serial,
            (server.address,),
            (server.disk_id,),
        )
    again = install(tmp_path, fresh)
    assert again.code == 3, "what was just installed is refused, not installed over"
    assert all("answers at" in text for host, text in faults_of(again).items() if host)


def test_ctrl_c_in_the_middle_of_an_installation_leaves_nothing_mounted(fresh: Site, tmp_path: Path) -> None:
    words = command("run", "install-hosts", "-f", fresh.host_table, "--yes", "--json", "--reinstall", "--only", "esx02")
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            event = json.loads(line)
            if event["kind"] == "progress" and event["template"] == "install":
                process.send_signal(signal.SIGINT)
                break
        lines.read()
    assert process.wait(120) == 1
    assert_left_clean(fresh, fresh.servers[1])


def test_what_started_from_the_disk_never_passes_and_a_wrong_clock_does_no_harm(odd: Site, tmp_path: Path) -> None:
    said = install(tmp_path, odd, "--reinstall", "--report", tmp_path / "report")
    assert said.code == 1, said.err
    told = faults_of(said)
    assert "the installation from before this run answers" in told["esx01"]
    assert "stalled at boot" in told["esx02"]
    assert "esx03" not in told, told["esx03"]
    assert_left_clean(odd)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    phases = {host["name"]: host["phase"] for host in report["hosts"]}
    assert phases == {"esx01": "Failed", "esx02": "Failed", "esx03": "Succeeded"}
    with esxi.login(odd.servers[2].address, 443, password=OLD_PASSWORD) as host:
        assert host.facts().serial == "LAB0003", "root has the table's password after the one-time one"
