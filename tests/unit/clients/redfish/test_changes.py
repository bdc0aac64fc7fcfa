"""Changes at BMCs that lose answers, refuse, swallow, take their time, or keep from the standard."""

import json
import threading

import pytest

from steps.domain.bmc import BootOverride
from steps.domain.errors import AccessDenied, NotFound, TimedOut, Unavailable, Unsupported, VerifyFailed
from tests.lab.bmc import Fault
from tests.unit.clients.redfish.peers import ALLOWABLE_TARGETS, Site

RESET = "ComputerSystem.Reset"


def test_a_post_is_not_repeated_after_a_time_out(site: Site) -> None:
    released = threading.Event()
    site.bmc.faults.append(Fault(path=RESET, hold=released, times=99))
    try:
        with site.connect(read_timeout_s=1) as bmc, pytest.raises(Unavailable, match="did not answer in time"):
            bmc.power_on()
        assert site.sent("POST", RESET) == 1
    finally:
        released.set()


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_post_whose_connection_breaks_is_judged_by_what_it_did(site: Site, drop: str) -> None:
    site.bmc.faults.append(Fault(path=RESET, drop=drop))
    with site.connect() as bmc:
        if drop == "after":
            assert bmc.power_on() == "on"
        else:
            with pytest.raises(Unavailable):
                bmc.power_on()
    assert site.sent("POST", RESET) == 1


def test_a_lost_insert_is_not_repeated(site: Site) -> None:
    site.bmc.faults.append(Fault(path="InsertMedia", drop="before"))
    with site.connect() as bmc, pytest.raises(Unavailable):
        bmc.insert(site.iso_url)
    assert site.sent("POST", "InsertMedia") == 1


def test_an_insert_answered_503_is_tried_three_times(site: Site) -> None:
    busy = Fault(path="InsertMedia", answer=503, times=2, message="An eject is in progress.")
    site.bmc.faults.append(busy)
    with site.connect() as bmc:
        assert bmc.insert(site.iso_url).image == site.iso_url
        busy.times = 99
        with pytest.raises(Unavailable, match=r"503 to POST /redfish/v1/Systems/.*: An eject is in progress\."):
            bmc.insert(site.iso_url)
    assert site.sent("POST", "InsertMedia") == 3 + 3


def test_an_image_the_bmc_cannot_read_is_told_with_the_bmcs_words(site: Site) -> None:
    url = site.iso_url.replace(".iso", ".gone")
    with (
        site.connect() as bmc,
        pytest.raises(Unsupported, match=r"400 to POST .*: The image .* its server answers 404") as refused,
    ):
        bmc.insert(url)
    assert url in refused.value.hint
    assert site.sent("POST", "InsertMedia") == 1


def test_an_insert_that_is_a_task_is_waited_for(site: Site) -> None:
    site.bmc.behaviour.insert_is_task = True
    site.bmc.behaviour.task_reads = 7
    with site.connect() as bmc:
        assert bmc.insert(site.iso_url).inserted
    assert site.machine.image == site.iso_url


def test_a_task_that_fails_is_told_with_its_message(site: Site) -> None:
    site.bmc.behaviour.insert_is_task = True
    site.bmc.behaviour.task_failure = "The image server refused the connection."
    with site.connect() as bmc, pytest.raises(Unsupported, match=r"Exception: The image server refused"):
        bmc.insert(site.iso_url)


def test_a_task_that_never_ends_is_told_with_what_was_seen(site: Site) -> None:
    site.bmc.behaviour.insert_is_task = True
    site.bmc.behaviour.task_reads = 10_000
    with site.connect() as bmc, pytest.raises(TimedOut, match=r"within 60 s; the BMC shows nothing in .*/Cd"):
        bmc.insert(site.iso_url)


def test_an_eject_that_does_nothing_is_found_out(site: Site) -> None:
    with site.connect() as bmc:
        bmc.insert(site.iso_url)
        site.bmc.behaviour.eject_swallowed = True
        with pytest.raises(VerifyFailed, match=rf"the BMC shows {site.iso_url}"):
            bmc.eject()


@pytest.mark.parametrize(
    ("status", "kind"), [(403, AccessDenied), (404, NotFound), (500, Unavailable), (503, Unavailable)]
)
def test_a_refused_eject_is_told_though_sushy_hides_it(site: Site, status: int, kind: type[Exception]) -> None:
    with site.connect() as bmc:
        bmc.insert(site.iso_url)
        site.bmc.faults.append(Fault(path="EjectMedia", answer=status, times=99, message="Not now."))
        with pytest.raises(kind, match=rf"{status} .*: Not now"):
            bmc.eject()


def test_media_shown_after_the_eject_are_waited_away(site: Site) -> None:
    site.bmc.behaviour.stale_reads = 5
    with site.connect() as bmc:
        bmc.insert(site.iso_url)
        assert not bmc.eject().inserted
    assert site.sent("POST", "EjectMedia") == 1


def test_an_eject_that_wants_an_empty_document_gets_one(site: Site) -> None:
    site.bmc.behaviour.stale_reads = 10
    with site.connect() as bmc:
        bmc.insert(site.iso_url)
        site.bmc.faults.append(Fault(path="EjectMedia", answer=415))
        assert not bmc.eject().inserted
    assert [entry.body for entry in site.bmc.log.of("POST", "EjectMedia")] == [b"", b"{}"]


def test_an_override_that_is_not_taken_is_told_with_both(site: Site) -> None:
    site.bmc.behaviour.boot_swallowed = True
    with site.connect() as bmc, pytest.raises(VerifyFailed, match=r"Cd Once in mode UEFI .* the BMC shows none"):
        bmc.boot_once_from_cd("uefi")


def test_a_supermicro_without_allowable_values_gets_a_plain_patch(site: Site) -> None:
    site.machine.manufacturer = "Supermicro"
    site.bmc.behaviour.hidden = frozenset({ALLOWABLE_TARGETS})
    with site.connect() as bmc:
        override = bmc.boot_once_from_cd("bios")
    assert override == BootOverride(enabled="Once", target="Cd", mode="Legacy")
    assert [json.loads(entry.body) for entry in site.bmc.log.of("PATCH")] == [
        {"Boot": {f"BootSourceOverride{key}": value for key, value in
                  (("Target", "Cd"), ("Enabled", "Once"), ("Mode", "Legacy"))}}
    ]  # fmt: skip


def test_a_supermicros_virtual_cd_is_a_usb_one(site: Site) -> None:
    site.machine.manufacturer = "Supermicro"
    with site.connect() as bmc:
        assert bmc.boot_once_from_cd("uefi").target == "UsbCd"
        bmc.power_on()
    assert site.machine.done == ["on from cd in UEFI"]


def test_the_mode_is_left_alone_where_the_bmc_knows_none(site: Site) -> None:
    mode = "BootSourceOverrideMode"
    site.bmc.behaviour.hidden = frozenset({mode, f"{mode}@Redfish.AllowableValues"})
    with site.connect() as bmc:
        assert bmc.boot_once_from_cd("bios") == BootOverride(enabled="Once", target="Cd", mode="")
    assert all(mode.encode() not in entry.body for entry in site.bmc.log.of("PATCH"))


def test_a_bmc_without_virtual_media_is_unsupported(site: Site) -> None:
    site.bmc.behaviour.hidden = frozenset({"VirtualMedia"})
    with site.connect() as bmc, pytest.raises(Unsupported, match="no virtual CD") as refused:
        bmc.cd()
    assert "licence" in refused.value.hint


def test_slots_for_a_viewer_only_are_not_taken(site: Site) -> None:
    site.bmc.behaviour.hidden = frozenset({"#VirtualMedia.InsertMedia"})
    with site.connect() as bmc, pytest.raises(Unsupported, match="no virtual CD"):
        bmc.cd()


def test_a_bmc_without_a_list_of_nics_has_no_macs(site: Site) -> None:
    site.bmc.behaviour.hidden = frozenset({"EthernetInterfaces"})
    with site.connect() as bmc:
        assert bmc.facts().macs == ()


def test_a_missing_reset_action_is_unsupported(site: Site) -> None:
    site.bmc.behaviour.hidden = frozenset({"#ComputerSystem.Reset"})
    with site.connect() as bmc, pytest.raises(Unsupported, match=r"ComputerSystem\.Reset"):
        bmc.power_on()
