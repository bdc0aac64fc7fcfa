"""The emulated BMC itself, spoken to without the client, so that a fault common to both would show."""

import base64
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests

from tests.lab.bmc import Emulator, Fault, MemoryMachine, serve
from tests.lab.certificates import Authority

LOGIN = {"UserName": "root", "Password": "calvin"}


@pytest.fixture
def machine() -> MemoryMachine:
    return MemoryMachine()


@pytest.fixture
def bmc(machine: MemoryMachine) -> Iterator[Emulator]:
    with serve(machine, username="root", password="calvin", session_slots=2) as emulator:
        yield emulator


def ask(bmc: Emulator, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    if not headers:
        headers = {"Authorization": "Basic " + base64.b64encode(b"root:calvin").decode()}
    return requests.request(method, f"{bmc.url}/redfish/v1{path}", json=body, headers=headers, timeout=30)


def reset(bmc: Emulator, machine: MemoryMachine, kind: str) -> int:
    return ask(bmc, "POST", f"/Systems/{machine.uuid}/Actions/ComputerSystem.Reset", {"ResetType": kind}).status_code


def patch_boot(bmc: Emulator, machine: MemoryMachine, **boot: str) -> requests.Response:
    body = {"Boot": {f"BootSourceOverride{key}": value for key, value in boot.items()}}
    return ask(bmc, "PATCH", f"/Systems/{machine.uuid}", body)


def insert(bmc: Emulator, machine: MemoryMachine, url: str | None) -> requests.Response:
    path = f"/Systems/{machine.uuid}/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia"
    return ask(bmc, "POST", path, {"Image": url})


def boot_of(bmc: Emulator, machine: MemoryMachine) -> tuple[str, str]:
    boot = ask(bmc, "GET", f"/Systems/{machine.uuid}").json()["Boot"]
    return boot["BootSourceOverrideEnabled"], boot["BootSourceOverrideTarget"]


def test_once_is_used_up_at_power_on(bmc: Emulator, machine: MemoryMachine) -> None:
    assert patch_boot(bmc, machine, Enabled="Once", Target="Cd", Mode="Legacy").status_code == 204
    assert boot_of(bmc, machine) == ("Once", "Cd")
    assert reset(bmc, machine, "On") == 204
    assert boot_of(bmc, machine) == ("Disabled", "None")
    reset(bmc, machine, "ForceRestart")
    assert machine.done == ["on from cd in Legacy", "off", "on from disk in Legacy"]


def test_continuous_lasts(bmc: Emulator, machine: MemoryMachine) -> None:
    patch_boot(bmc, machine, Enabled="Continuous", Target="Cd")
    reset(bmc, machine, "On")
    reset(bmc, machine, "PowerCycle")
    assert machine.done == ["on from cd in UEFI", "off", "on from cd in UEFI"]
    assert boot_of(bmc, machine) == ("Continuous", "Cd")
    assert patch_boot(bmc, machine, Enabled="Disabled").status_code == 204
    assert boot_of(bmc, machine) == ("Disabled", "None")


def test_power_is_not_switched_twice(bmc: Emulator, machine: MemoryMachine) -> None:
    assert [reset(bmc, machine, kind) for kind in ("ForceOff", "On", "On", "GracefulShutdown", "On")] == [204] * 5
    assert machine.done == ["on from disk in UEFI", "button", "on from disk in UEFI"]
    assert reset(bmc, machine, "Explode") == 400


@pytest.mark.parametrize(
    ("key", "value", "told"), [("Target", "Toaster", "Toaster"), ("Enabled", "Twice", "Twice"), ("Color", "x", "Color")]
)
def test_a_wrong_boot_patch_changes_nothing_and_is_explained(
    bmc: Emulator, machine: MemoryMachine, key: str, value: str, told: str
) -> None:
    answer = patch_boot(bmc, machine, **{"Mode": "Legacy", "Target": "Cd", "Enabled": "Once", key: value})
    assert answer.status_code == 400
    extended = answer.json()["error"]["@Message.ExtendedInfo"][0]
    assert told in extended["Message"]
    assert extended["MessageId"]
    assert boot_of(bmc, machine) == ("Disabled", "None")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/esx.iso", "nfs://127.0.0.1/esx.iso", "", None])
def test_an_image_which_cannot_be_read_is_refused(bmc: Emulator, machine: MemoryMachine, url: str | None) -> None:
    answer = insert(bmc, machine, url)
    assert answer.status_code == 400
    assert str(url) in answer.json()["error"]["message"]
    assert machine.done == []


def test_a_full_slot_takes_no_second_image(bmc: Emulator, machine: MemoryMachine) -> None:
    iso = f"{bmc.url}/redfish/v1/"  # anything that answers
    assert insert(bmc, machine, iso).status_code == 204
    assert insert(bmc, machine, iso).status_code == 409
    assert machine.done == [f"insert {iso}"]


def test_sessions_are_few_and_end(bmc: Emulator) -> None:
    opened = [ask(bmc, "POST", "/SessionService/Sessions", LOGIN) for _ in range(2)]
    assert [answer.status_code for answer in opened] == [201, 201]
    assert ask(bmc, "POST", "/SessionService/Sessions", LOGIN).status_code == 503
    token = {"X-Auth-Token": opened[0].headers["X-Auth-Token"]}
    assert ask(bmc, "GET", "/Systems", **token).status_code == 200
    location = opened[0].headers["Location"].removeprefix("/redfish/v1")
    assert ask(bmc, "DELETE", location, **token).status_code == 204
    assert ask(bmc, "GET", "/Systems", **token).status_code == 401
    assert bmc.open_sessions == 1
    bmc.expire_sessions()
    assert bmc.open_sessions == 0


def test_only_the_root_is_open_to_all(bmc: Emulator) -> None:
    assert ask(bmc, "GET", "/", **{"X-Nobody": "x"}).status_code == 200
    assert ask(bmc, "GET", "/Systems", **{"X-Nobody": "x"}).status_code == 401
    assert ask(bmc, "GET", "/Systems", Authorization="Basic broken").status_code == 401
    wrong = ask(bmc, "POST", "/SessionService/Sessions", {**LOGIN, "Password": "x"})
    assert wrong.status_code == 401
    assert "X-Auth-Token" not in wrong.headers


def test_basic_authentication_can_be_off() -> None:
    with serve(MemoryMachine(), username="root", password="calvin", basic=False) as bmc:
        assert ask(bmc, "GET", "/Systems").status_code == 401


def test_bmcs_in_one_process_are_of_their_own(bmc: Emulator, machine: MemoryMachine) -> None:
    other = MemoryMachine(name="esx02", uuid="11111111-2222-3333-4444-555555555502", serial="SN-0002")
    with serve(other, username="root", password="calvin") as second:
        reset(second, other, "On")
        patch_boot(second, other, Enabled="Once", Target="Cd")
        assert ask(second, "GET", f"/Systems/{other.uuid}").json()["SerialNumber"] == "SN-0002"
        assert ask(second, "GET", f"/Systems/{machine.uuid}").status_code == 404
    assert ask(bmc, "GET", f"/Systems/{machine.uuid}").json()["PowerState"] == "Off"
    assert boot_of(bmc, machine) == ("Disabled", "None")
    assert machine.done == []


def test_requests_at_once_are_noticed(bmc: Emulator) -> None:
    let_go = Event()
    bmc.faults.append(Fault(path="/Systems", hold=let_go))
    with ThreadPoolExecutor() as pool:
        held = pool.submit(ask, bmc, "GET", "/Systems")
        while not bmc.log.of("GET", "/Systems"):
            time.sleep(0.01)
        assert ask(bmc, "GET", "/Managers").status_code == 200
        let_go.set()
        assert held.result().status_code == 200
    assert bmc.log.max_at_once == 2


def test_faults_befall_only_what_they_match_and_end(bmc: Emulator) -> None:
    bmc.faults += [Fault(path="/Systems", method="GET", answer=503, times=2)]
    answers = [ask(bmc, "GET", path).status_code for path in ("/Managers", "/Systems", "/Systems", "/Systems")]
    assert answers == [200, 503, 503, 200]
    bmc.faults.append(Fault(drop="before"))
    with pytest.raises(requests.ConnectionError):
        ask(bmc, "GET", "/Managers")
    assert bmc.log.entries[-1].status == 0


def test_a_client_that_hangs_in_the_handshake_stops_no_other(tmp_path: Path) -> None:
    authority = Authority("lab")
    cert, key = authority.issue("127.0.0.1", tmp_path)
    trusted = tmp_path / "ca.pem"
    trusted.write_text(authority.pem)
    with serve(MemoryMachine(), username="root", password="calvin", cert=cert, key=key) as bmc:
        address = ("127.0.0.1", int(bmc.url.rsplit(":", 1)[1]))
        with socket.create_connection(address):
            assert requests.get(f"{bmc.url}/redfish/v1/", verify=str(trusted), timeout=30).status_code == 200
