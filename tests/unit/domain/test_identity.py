"""Nothing is touched that is not the table's server, free, and ours."""

from datetime import timedelta

import pytest

from steps.domain.bmc import BmcFacts, VirtualCd
from steps.domain.errors import HerasphereError, Refused, VerifyFailed
from steps.domain.identity import check_medium, check_server, check_vacant, must_be_ours, must_be_wanted
from steps.domain.mounting import decide_eject, decide_mount
from tests.unit.domain.samples import HOST, OLD, START, lease

MAC = HOST.network.mac
EMPTY = VirtualCd(slot="/cd", inserted=False, image="")
OURS = VirtualCd(slot="/cd", inserted=True, image=lease().url)
FOREIGN = VirtualCd(slot="/cd", inserted=True, image="http://elsewhere/other.iso")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (BmcFacts(serial="7XK2P13", macs=(MAC,)), None),
        (BmcFacts(serial=" 7xk2p13 ", macs=("00:00:00:00:00:01", MAC)), None),
        (BmcFacts(serial="7XK2P13"), None),  # a BMC that lists no NICs
        (BmcFacts(serial="7XK2P14", macs=(MAC,)), "serial number '7XK2P14', the table says '7XK2P13'"),
        (BmcFacts(serial="", macs=(MAC,)), "tells no serial number"),
        (BmcFacts(serial="7XK2P13", macs=("00:00:00:00:00:01",)), "has no NIC b0:7b:25:aa:00:01"),
    ],
)
def test_only_the_server_of_the_table_passes(facts: BmcFacts, reason: str | None) -> None:
    if reason is None:
        check_server(HOST, facts)
        return
    with pytest.raises(Refused, match=reason):
        check_server(HOST, facts)


def test_foreign_media_are_refused_and_named() -> None:
    with pytest.raises(Refused, match=r"http://elsewhere/other\.iso"):
        check_medium(HOST, "run-1", FOREIGN, None)


def test_the_media_of_a_live_run_are_refused_and_the_run_is_named() -> None:
    with pytest.raises(Refused, match="run run-2 is using"):
        check_medium(HOST, "run-1", OURS, lease(run="run-2"))


@pytest.mark.parametrize(
    ("cd", "held_by"),
    [
        (EMPTY, None),
        (OURS, lease()),
        (OURS, lease(run="run-0", revoked=True)),
        (OURS, lease(run="run-0", expires_at=START - timedelta(seconds=1))),
    ],
    ids=["empty", "ours", "left by a run that cleaned up", "left by a run that expired"],
)
def test_an_empty_slot_our_own_and_what_dead_runs_left_are_free(cd: VirtualCd, held_by: object) -> None:
    check_medium(HOST, "run-1", cd, held_by)  # type: ignore[arg-type]


def test_esxi_at_the_address_is_refused_unless_reinstalled() -> None:
    check_vacant(HOST, None, reinstall=False)
    check_vacant(HOST, OLD, reinstall=True)
    with pytest.raises(Refused, match=r"ESXi 7\.0\.3 build 19482537 answers at 10\.0\.1\.11 already"):
        check_vacant(HOST, OLD, reinstall=False)


@pytest.mark.parametrize("cd", [EMPTY, FOREIGN])
def test_a_step_that_needs_our_iso_does_not_go_on_without_it(cd: VirtualCd) -> None:
    must_be_ours(HOST, "run-1", OURS, lease().url)
    with pytest.raises(VerifyFailed, match="instead of the ISO of run run-1"):
        must_be_ours(HOST, "run-1", cd, lease().url)


@pytest.mark.parametrize("ended", [lease(revoked=True), lease(expires_at=START)])
def test_a_step_started_after_its_run_has_ended_touches_nothing(ended: object) -> None:
    must_be_wanted(HOST, lease())
    with pytest.raises(HerasphereError, match="run-1 has ended"):
        must_be_wanted(HOST, ended)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cd", "mount", "eject"),
    [(EMPTY, "insert", "nothing"), (OURS, "nothing", "eject"), (FOREIGN, "replace", "leave")],
)
def test_one_move_leads_from_what_is_mounted_to_what_is_wanted(cd: VirtualCd, mount: str, eject: str) -> None:
    assert decide_mount(cd, lease().url) == mount
    assert decide_eject(cd, lease().url) == eject
