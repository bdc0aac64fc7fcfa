"""Logging in and out: one session, one request at a time, nothing left behind; and reads at BMCs that stumble."""

import socket

import pytest

from steps.clients import redfish
from steps.domain.errors import AccessDenied, NotFound, Unavailable
from tests.lab.bmc import Fault, MemoryMachine, serve
from tests.unit.clients.redfish.peers import PASSWORD, USERNAME, FakeClock, Site, bmc_at

SESSIONS = "SessionService/Sessions"


def test_the_session_is_closed_after_success(site: Site) -> None:
    with site.connect() as bmc:
        bmc.facts()
        assert site.bmc.open_sessions == 1
    assert site.bmc.open_sessions == 0
    assert [entry.status for entry in site.bmc.log.of("DELETE")] == [204]


def test_the_session_is_closed_after_an_exception(site: Site) -> None:
    with pytest.raises(ZeroDivisionError), site.connect():
        raise ZeroDivisionError
    assert site.bmc.open_sessions == 0


@pytest.mark.parametrize("fault", [Fault(method="DELETE", answer=500), Fault(method="DELETE", drop="before")])
def test_a_failed_logout_does_not_hide_the_error(site: Site, fault: Fault) -> None:
    fault.times = 1
    site.bmc.faults.append(fault)
    with pytest.raises(ZeroDivisionError), site.connect():
        raise ZeroDivisionError
    assert site.sent("DELETE") == 1


def test_an_expired_session_is_renewed_and_closed(site: Site) -> None:
    with site.connect() as bmc:
        site.bmc.expire_sessions()
        assert bmc.power_on() == "on"
    assert site.sent("POST", SESSIONS) == 2
    assert site.bmc.open_sessions == 0


def test_a_refused_right_leaves_no_session_behind(site: Site) -> None:
    """sushy logs in anew at any 403, and forgets the session it had."""
    site.bmc.faults.append(Fault(path="InsertMedia", answer=403, times=99, message="No licence."))
    with site.connect() as bmc, pytest.raises(AccessDenied, match=r"403 to POST .*: No licence"):
        bmc.insert(site.iso_url)
    assert site.bmc.open_sessions == 0


def test_there_are_never_two_requests_at_once(site: Site) -> None:
    with site.connect() as bmc:
        bmc.facts()
        bmc.insert(site.iso_url)
        bmc.power_off()
        bmc.boot_once_from_cd("uefi")
        bmc.power_on()
        bmc.eject()
        bmc.clear_boot_override()
    assert len(site.bmc.log.entries) > 20
    assert site.bmc.log.max_at_once == 1


def test_a_wrong_password_is_denied_and_offered_once(site: Site) -> None:
    with (
        pytest.raises(AccessDenied, match=r"401 to POST .*: The user name or password is wrong") as denied,
        site.connect(password="x"),
    ):
        pass
    assert denied.value.where == f"BMC {site.bmc.url.removeprefix('http://')}"
    assert "bmc.username" in denied.value.hint
    assert [entry.path for entry in site.bmc.log.entries] == ["/redfish/v1/", f"/redfish/v1/{SESSIONS}"]


@pytest.mark.parametrize("password", ["calvin", "pässwörd€"])
def test_without_a_free_session_basic_authentication_is_used(password: str) -> None:
    with (
        serve(MemoryMachine(), username=USERNAME, password=password, session_slots=0) as emulator,
        redfish.connect(bmc_at(emulator.url), password=password, clock=FakeClock()) as bmc,
    ):
        assert bmc.power() == "off"


def test_a_wrong_password_is_denied_by_basic_authentication() -> None:
    with (
        serve(MemoryMachine(), username=USERNAME, password=PASSWORD, session_slots=0) as emulator,
        redfish.connect(bmc_at(emulator.url), password=PASSWORD, clock=FakeClock()) as good,
    ):
        emulator.faults.append(Fault(path=SESSIONS, answer=404, message="There are no sessions here."))
        with (
            redfish.connect(bmc_at(emulator.url), password="x", clock=FakeClock()) as bad,
            pytest.raises(AccessDenied, match="401"),
        ):
            bad.power()
        assert good.power() == "off"


def test_a_dead_port_is_unavailable() -> None:
    with socket.socket() as reserved:  # bound, not listening: refused
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with (
            pytest.raises(Unavailable, match="cannot be reached") as gone,
            redfish.connect(bmc_at(url), password="x", clock=FakeClock()),
        ):
            pass
    assert "Connection refused" in gone.value.what


def test_a_get_is_repeated_while_the_bmc_stumbles(site: Site) -> None:
    with site.connect() as bmc:
        bmc.power()
        before = site.sent("GET")
        site.bmc.faults += [Fault(method="GET", answer=503), Fault(method="GET", drop="before", times=2)]
        assert bmc.power() == "off"
    assert site.sent("GET") == before + 4
    assert 3.5 <= site.clock.seconds <= 10.5


def test_a_get_is_not_repeated_for_ever(site: Site) -> None:
    with site.connect() as bmc:
        bmc.power()
        before = site.sent("GET")
        site.bmc.faults.append(Fault(method="GET", answer=503, times=99, message="The BMC is starting."))
        with pytest.raises(Unavailable, match=r"503 to GET .*: The BMC is starting"):
            bmc.power()
        assert site.sent("GET") == before + 4


def test_a_resource_that_is_gone_is_not_found(site: Site) -> None:
    with site.connect() as bmc:
        bmc.power()
        site.bmc.faults.append(Fault(path="/Systems/", answer=404))
        with pytest.raises(NotFound, match="404"):
            bmc.power()


def test_a_web_server_that_is_no_bmc_is_told_as_such(web: str) -> None:
    with (
        pytest.raises(Unavailable, match="not a Redfish document") as told,
        redfish.connect(bmc_at(web), password="x", clock=FakeClock()),
    ):
        pass
    assert "bmc.url" in told.value.hint


def test_proxies_of_the_environment_are_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with site.connect() as bmc:
        assert bmc.power() == "off"
