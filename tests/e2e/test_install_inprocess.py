"""`hera run install-hosts` from table to report, against servers in this process: done, refused, and each way to fail.

The same runs over servers that really boot are in test_install_qemu.py; what the in-process servers leave out stands in
tests/lab/inprocess.
"""

import json
import signal
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from steps.domain.passwords import sha512_crypt
from tests.e2e.hera import ROOT, Said, command, environment, hera
from tests.lab.inprocess.clock import HostClock
from tests.lab.inprocess.installation import Installation, LabDisk
from tests.lab.inprocess.options import Delays, Faults
from tests.lab.inprocess.site import BMC_PASSWORD, ROOT_PASSWORD, InProcessSite, Wanted, site

SHORT: dict[str, Any] = {"timeouts": {"boot_s": 4, "load_s": 5, "install_s": 20, "reboot_s": 20}}


def install(folder: Path, made: InProcessSite, *words: str | Path) -> Said:
    return hera(folder, "run", "install-hosts", "-f", made.table, "--yes", "--json", *words)


def old_installation(number: int = 1, **changes: Any) -> LabDisk:
    """A disk with an ESXi that has the table's address and the table's password."""
    values: dict[str, Any] = {
        "version": "8.0.3",
        "build": "24022510",
        "password_hash": sha512_crypt(ROOT_PASSWORD, salt="oldoldoldoldold1"),
        "hostname": f"esx{number:02}.lab.test",
        "address": f"10.99.0.{100 + number}",
        "netmask": "255.255.255.0",
        "gateway": "10.99.0.1",
        "mac": f"52:54:00:00:00:{number:02x}",
        "install_date": HostClock().now() - timedelta(days=200),
    }
    return LabDisk("naa.5000c50000000001", has_vmfs=True, installation=Installation(**values | changes))


def changes_at(made: InProcessSite, number: int = 0) -> list[str]:
    """Every request to this BMC that could have changed something, sessions aside."""
    entries = made.servers[number].bmc.log.entries
    return [f"{e.method} {e.path}" for e in entries if e.method not in ("GET", "HEAD") and "Sessions" not in e.path]


def assert_left_clean(made: InProcessSite) -> None:
    """Whatever happened: nothing mounted, no override, no session, and never two requests at once at a BMC."""
    for server in made.servers:
        assert server.bmc.override.enabled == "Disabled"
        assert server.bmc.open_sessions == 0
        assert server.bmc.log.max_at_once <= 1
        assert server.machine.medium_url == ""


def faults_of(said: Said) -> str:
    return "\n".join(f"{event['text']} ({event['hint']})" for event in said.events("fault"))


def test_two_hosts_one_uefi_one_bios(tmp_path: Path) -> None:
    with site(tmp_path) as made:
        said = install(tmp_path, made, "--report", tmp_path / "report")
        assert said.code == 0, said.err
        assert_left_clean(made)
        assert all(server.machine.esxi for server in made.servers)
    assert {e.get("host") for e in said.events("workflow-finished") if e["phase"] == "Succeeded"} == {
        None,
        "esx01",
        "esx02",
    }
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [host["phase"] for host in report["hosts"]] == ["Succeeded", "Succeeded"]
    assert "installed" in report["hosts"][0]["stages"][-2]["evidence"]
    assert ElementTree.parse(tmp_path / "report" / "junit.xml").getroot().get("failures") == "0"
    assert "esx02" in (tmp_path / "report" / "report.html").read_text()


def test_secrets_stay_out_of_everything_that_is_kept_or_said(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted()]) as made:
        said = install(tmp_path, made)
    token = (tmp_path / "state" / "herasphere" / "media" / "token").read_text().strip()
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file() and path.name != "token"]
    assert len(kept) > 30
    for secret in (BMC_PASSWORD, ROOT_PASSWORD, token):
        assert secret not in said.out + said.err
        assert [path for path in kept if secret.encode() in path.read_bytes()] == []


def test_wrong_serial_number_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted(row={"serial": "OTHER1"})]) as made:
        said = install(tmp_path, made)
        assert said.code == 3, said.err
        assert "serial number 'LAB0001', the table says 'OTHER1'" in faults_of(said)
        assert changes_at(made) == []
        assert not made.servers[0].machine.is_on
        assert_left_clean(made)


def test_wrong_mac_is_refused(tmp_path: Path) -> None:
    row = {"network": {"mac": "52:54:00:00:00:99", "address": "10.99.0.101"}}
    with site(tmp_path, [Wanted(row=row)]) as made:
        said = install(tmp_path, made)
        assert (said.code, changes_at(made)) == (3, [])
        assert "has no NIC 52:54:00:00:00:99" in faults_of(said)


def test_protected_is_refused_without_a_single_request(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted(row={"protected": True}), Wanted()]) as made:
        said = install(tmp_path, made)
        assert said.code == 3
        assert "the table protects esx01" in said.err
        assert not made.servers[0].bmc.log.entries and not made.servers[1].bmc.log.entries


def test_esxi_is_refused_and_reinstalled_only_when_asked(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted(disks=[old_installation()])]) as made:
        machine = made.servers[0].machine
        machine.power_on(cd_first=False, mode="UEFI")
        wait_for_esxi(made)
        old = machine.disks[0].installation
        said = install(tmp_path, made)
        assert said.code == 3, said.err
        assert "answers at 10.99.0.101 already" in faults_of(said)
        assert changes_at(made) == [] and machine.is_on
        said = install(tmp_path, made, "--reinstall")
        assert said.code == 0, faults_of(said)
        assert machine.disks[0].installation is not old
        assert_left_clean(made)


@pytest.mark.parametrize("was_on", [True, False], ids=["it answered before", "the server was off before"])
def test_the_old_installation_is_never_taken_for_success(tmp_path: Path, was_on: bool) -> None:
    with site(tmp_path, [Wanted(disks=[old_installation()], faults=Faults(ignores_cd=True))]) as made:
        if was_on:
            made.servers[0].machine.power_on(cd_first=False, mode="UEFI")
            wait_for_esxi(made)
        said = install(tmp_path, made, "--reinstall")
        assert said.code == 1
        assert "the server started from its disk" in faults_of(said)
        assert_left_clean(made)


def test_the_old_installation_does_not_pass_where_the_bmc_caches_the_iso(tmp_path: Path) -> None:
    """The kickstart's bytes were read, at insert; and the server's clock starts at the same date each time."""
    clock = HostClock(reset_to=HostClock().now() - timedelta(days=200))
    faults = Faults(ignores_cd=True, reads_at_insert=True)
    disk = old_installation(install_date=HostClock().now() - timedelta(days=200))
    with site(tmp_path, [Wanted(disks=[disk], faults=faults, clock=clock)]) as made:
        said = install(tmp_path, made, "--reinstall")
        assert said.code == 1, "an old installation passed"
        assert_left_clean(made)


def test_a_server_that_never_starts_from_the_iso_is_stalled_at_boot(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted(faults=Faults(hangs_in_post=True)), Wanted()], **SHORT) as made:
        said = install(tmp_path, made, "--report", tmp_path / "report")
        assert said.code == 1
        assert "stalled at boot" in faults_of(said)
        assert_left_clean(made)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert {host["name"]: host["phase"] for host in report["hosts"]} == {"esx01": "Failed", "esx02": "Succeeded"}


@pytest.mark.parametrize(
    ("faults", "stage"),
    [(Faults(stops_reading_at=0.5), "stalled at load"), (Faults(installer_hangs=True), "stalled at install")],
    ids=["half the ISO", "installer hangs"],
)
def test_a_stall_is_named_by_its_stage(tmp_path: Path, faults: Faults, stage: str) -> None:
    timeouts = {"boot_s": 20, "load_s": 4, "install_s": 4, "reboot_s": 4}
    with site(tmp_path, [Wanted(faults=faults)], timeouts=timeouts) as made:
        said = install(tmp_path, made)
        assert (said.code, stage in faults_of(said)) == (1, True), faults_of(said)
        assert_left_clean(made)


def test_a_disk_rule_that_fits_two_disks_writes_nothing(tmp_path: Path) -> None:
    disks = [LabDisk("naa.1000000000000001"), LabDisk("naa.1000000000000002")]
    with site(tmp_path, [Wanted(disks=disks)]) as made:
        said = install(tmp_path, made)
        assert said.code == 1
        assert "2 disks match" in faults_of(said)
        assert all(disk.installation is None for disk in disks)
        assert_left_clean(made)


@pytest.mark.parametrize("proof", ["fingerprint", "one-time-password"])
def test_a_clock_that_is_years_off_does_not_matter(tmp_path: Path, proof: str) -> None:
    clock = HostClock(offset=timedelta(days=-2000))
    with site(tmp_path, [Wanted(clock=clock)], proof=proof) as made:
        said = install(tmp_path, made)
        assert said.code == 0, faults_of(said)


def test_an_installer_that_reaches_nobody_is_proved_all_the_same(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted(faults=Faults(calls_nobody=True))], proof="one-time-password") as made:
        said = install(tmp_path, made)
        assert said.code == 0, faults_of(said)
        assert "one-time password" in "".join(event["text"] for event in said.events("progress"))


def test_only_takes_one_host_and_leaves_the_other_alone(tmp_path: Path) -> None:
    with site(tmp_path) as made:
        assert install(tmp_path, made, "--only", "esx02").code == 0
        assert not made.servers[0].bmc.log.entries


def test_the_limit_holds(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted(delays=Delays(install_s=1.0)), Wanted(delays=Delays(install_s=1.0))]) as made:
        said = install(tmp_path, made, "--limit", "1")
    assert said.code == 0
    order = [(e["kind"], e["host"]) for e in map(json.loads, said.out.splitlines())
             if e["kind"] in ("workflow-started", "workflow-finished") and e.get("host")]  # fmt: skip
    kinds = ("workflow-started", "workflow-finished")
    assert order == [(kind, host) for host in ("esx01", "esx02") for kind in kinds]


def test_ctrl_c_runs_the_clean_up(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted(faults=Faults(installer_hangs=True)), Wanted(delays=Delays(block_s=1.0))]) as made:
        words = command("run", "install-hosts", "-f", made.table, "--yes", "--json")
        process = subprocess.Popen(
            words, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        with process.stdout as lines:
            seen: set[str] = set()
            for line in lines:
                event = json.loads(line)
                if event["kind"] == "progress" and event.get("template") == "install":
                    seen.add(event["host"])
                if seen == {"esx01", "esx02"}:
                    break
            process.send_signal(signal.SIGINT)
            rest = lines.read()
        assert process.wait(60) == 1
        assert rest.count('"eject-iso"') >= 2
        assert_left_clean(made)
    (report,) = (tmp_path / "state/herasphere/runs").glob("*/report.json")
    assert {host["phase"] for host in json.loads(report.read_text())["hosts"]} == {"Stopped"}


def test_without_a_terminal_nothing_is_erased_unasked(tmp_path: Path) -> None:
    with site(tmp_path, [Wanted()]) as made:
        said = hera(tmp_path, "run", "install-hosts", "-f", made.table)
        assert said.code == 2 and "--yes" in said.err
        assert not made.servers[0].bmc.log.entries


def test_a_wrong_bmc_password_and_a_dead_bmc_are_told_apart(tmp_path: Path) -> None:
    wrong = {"bmc": {"address": "", "password": {"env": "WRONG"}}}
    with site(tmp_path, [Wanted()]) as made:
        text = made.table.read_text()
        made.table.write_text(text.replace("file: bmc-password", "env: WRONG"))
        said = hera(tmp_path, "run", "install-hosts", "-f", made.table, "--yes", "--json", WRONG="nope")
        assert said.code == 1, wrong
        assert "password" in faults_of(said)
        assert changes_at(made) == []


def wait_for_esxi(made: InProcessSite, number: int = 0) -> None:
    from steps.clients import esxi
    from steps.domain.wait import wait_until

    host, port = made.servers[number].machine.api_address
    wait_until(lambda: esxi.look(host, port), what="ESXi", where=host, hint="-", timeout_s=20, every_s=0.1)
