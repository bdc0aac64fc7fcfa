"""The scripts of kickstarts, run for real by busybox."""

import http.server
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from steps.domain.host import Disk, Host
from tests.unit.domain import weasel
from tests.unit.domain.installer import BUSYBOX, Installer, listing
from tests.unit.domain.kickstarts import INCLUDE, host, render

CASES = sorted((Path(__file__).parents[2] / "cases" / "disk_rule").glob("*.yaml"))

pytestmark = pytest.mark.skipif(BUSYBOX is None, reason="busybox (apt: busybox-static) runs the scripts as ESXi does")


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(tmp_path)


def pre_of(host: Host, callback_url: str = "") -> str:
    return weasel.read(render(host, callback_url), {INCLUDE: "install --disk=any\n"}).scripts["%pre"]


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_disk_rule(file: Path, installer: Installer) -> None:
    case = yaml.safe_load(file.read_text())
    wanted = host(disk=Disk.model_validate(case["disk"]), overwrite_vmfs=case.get("overwrite_vmfs", False))
    installer.localcli(devices=case.get("listing") or listing(case["devices"]), serial="3BFS4T3")
    outcome = installer.run(pre_of(wanted))
    if "stopped" in case:
        assert outcome.exit_code == 1
        assert outcome.include is None
        assert f"herasphere: stopped: {case['stopped']}" in outcome.console
        return
    assert outcome.exit_code == 0, outcome.console
    assert f"installing on {case['installs']}\n" in outcome.console
    text = render(wanted)
    commands = weasel.read(text, {INCLUDE: outcome.include or ""}).commands
    assert commands["install"].options["--disk"] == case["installs"]
    assert ("--overwritevmfs" in commands["install"].options) == wanted.overwrite_vmfs


def test_writes_nothing_but_its_own_files(installer: Installer) -> None:
    before = {file.name for file in installer.folder.iterdir()}
    installer.localcli(devices=listing([{"name": "naa.1"}, {"name": "naa.2"}]), serial="3BFS4T3")
    assert installer.run(pre_of(host(disk=Disk(min_gib=1)))).exit_code == 1
    new = {file.name for file in installer.folder.iterdir()} - before
    assert new == {"ks-script", "herasphere-devices", "herasphere-disks"}


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 25


ONE_DISK = listing([{"name": "naa.6d09466044143600247aee55ca2a6405"}])


@pytest.mark.parametrize("found", ["3BFS4T3", "3bfs4t3", "3BFS4T3   "])
def test_this_is_the_server(found: str, installer: Installer) -> None:
    installer.localcli(devices=ONE_DISK, serial=found)
    assert installer.run(pre_of(host())).exit_code == 0


@pytest.mark.parametrize("found", ["3BFS4T4", "", "3BFS4T", "3BFS4T3X", "CHASSIS9", "X 3BFS4T3", "NONE"])
@pytest.mark.parametrize("disk", [Disk(id="naa.6d09466044143600247aee55ca2a6405"), Disk(min_gib=1)], ids=str)
def test_another_server_is_left_alone(found: str, disk: Disk, installer: Installer) -> None:
    installer.localcli(devices=ONE_DISK, serial=found)
    outcome = installer.run(pre_of(host(disk=disk)))
    assert outcome.exit_code == 1 and outcome.include is None
    assert f"serial number of this server is '{found}', the plan is for '3BFS4T3'" in outcome.console


def test_the_chassis_serial_number_is_not_the_servers(installer: Installer) -> None:
    # all blades of a chassis share it
    installer.localcli(devices=ONE_DISK, serial="3BFS4T3")
    text = "Platform Information\n   Enclosure Serial Number: CHASSIS9\n   Serial Number: 3BFS4T3\n"
    (installer.folder / "platform").write_text(text)
    assert installer.run(pre_of(host(serial="CHASSIS9"))).exit_code == 1
    assert installer.run(pre_of(host())).exit_code == 0


def test_a_disk_name_is_not_taken_for_a_file_pattern(installer: Installer) -> None:
    installer.localcli(devices=listing([{"name": "[d]evices"}]), serial="3BFS4T3")  # "devices" lies in the folder
    assert installer.run(pre_of(host(disk=Disk(min_gib=1)))).include == "install --disk='[d]evices'\n"


def test_serial_number_of_a_virtual_machine(installer: Installer) -> None:
    serial = "VMware-42 30 a8 27 f9 a3 cf 54-e2 a3 10 1d fd b8 21 d0"
    installer.localcli(devices=ONE_DISK, serial=serial)
    assert installer.run(pre_of(host(serial=serial))).exit_code == 0


def test_stops_when_the_disks_cannot_be_listed(installer: Installer) -> None:
    installer.localcli(devices=ONE_DISK, serial="3BFS4T3", exit_code=1)
    outcome = installer.run(pre_of(host()))
    assert outcome.exit_code == 1 and "the disks cannot be listed" in outcome.console


@pytest.mark.parametrize("missing", ["awk", "localcli"])
def test_stops_when_the_installer_lacks_a_tool(missing: str, installer: Installer) -> None:
    installer.localcli(devices=ONE_DISK, serial="3BFS4T3")
    (installer.bin / missing).unlink()
    (installer.bin / missing).write_text(f"#!{installer.bin}/sh\nexit 127\n")  # busybox would find its own awk
    (installer.bin / missing).chmod(0o755)
    script = pre_of(host(disk=Disk(min_gib=1))).replace("awk '", f"{installer.bin}/awk '")
    outcome = installer.run(script)
    assert outcome.exit_code == 1 and outcome.include is None


@pytest.mark.parametrize(
    "model",
    ["a b", "#1", "$HOME", "`id`", "$(id)", "it's", 'say "x"', "\\n", "a\\", "*", "?[a]", "a: b", "%s", "&", "-n"],
)
def test_a_model_with_any_character_is_found(model: str, installer: Installer) -> None:
    devices = [{"name": "naa.other", "Model": "other"}, {"name": "naa.wanted", "Model": f"{model}  "}]
    installer.localcli(devices=listing(devices), serial="3BFS4T3")
    outcome = installer.run(pre_of(host(disk=Disk(model=model))))
    assert outcome.include == "install --disk='naa.wanted'\n", outcome.console


@dataclass(frozen=True)
class Call:
    event: str
    text: str


@contextmanager
def media_service(calls: list[Call]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(url.query, strict_parsing=True)
            calls.append(Call(url.path, query["text"][0]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/m/k3y/cb"
        finally:
            server.shutdown()
            thread.join()


def test_call_backs_arrive_with_their_text(installer: Installer) -> None:
    calls: list[Call] = []
    devices = listing([{"name": "naa.1", "Model": "50% & #1=a+b?"}, {"name": "naa.2", "Vendor": "b\u00e9"}])
    with media_service(calls) as url:
        scripts = weasel.read(
            render(host(disk=Disk(model="50% & #1=a+b?")), url), {INCLUDE: "install --disk=x"}
        ).scripts
        installer.localcli(devices=devices, serial="3BFS4T3")
        assert installer.run(scripts["%pre"]).exit_code == 0
        assert installer.run(scripts["%post"]).exit_code == 0
        installer.localcli(devices=devices.replace("50%", "60%"), serial="3BFS4T3")
        assert installer.run(scripts["%pre"]).exit_code == 1
    assert calls[:2] == [
        Call("/m/k3y/cb/pre-ok", "serial number 3BFS4T3, installing on naa.1"),
        Call("/m/k3y/cb/post-ok", "installed, rebooting"),
    ]
    assert calls[2].event == "/m/k3y/cb/pre-failed"
    assert calls[2].text == (
        "0 disks match: the only disk with model=50% & #1=a+b?; "
        "found: naa.1 (ATA 60% & #1=a+b?, 894.3 GiB); naa.2 (b?? Disk, 894.3 GiB)"
    )


def test_a_host_that_cannot_call_back_installs_all_the_same(installer: Installer) -> None:
    installer.localcli(devices=ONE_DISK, serial="3BFS4T3")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/cb"
        assert installer.run(pre_of(host(), url)).exit_code == 0
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(30)
            while connection.recv(4096):  # to its end: the call was given up, not left behind
                pass
    # refused: nobody listens there any more
    outcome = installer.run(weasel.read(render(host(), url)).scripts["%post"])
    assert (outcome.exit_code, outcome.console) == (0, "")


def test_a_host_without_wget_installs_all_the_same(installer: Installer) -> None:
    installer.localcli(devices=ONE_DISK, serial="3BFS4T3")
    script = pre_of(host(), "http://127.0.0.1:1/cb").replace("wget", "no-such-program")
    assert installer.run(script).exit_code == 0
