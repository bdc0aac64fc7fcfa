"""Each call of the client against a BMC that keeps to the standard, over HTTP and over TLS."""

import pytest

from steps.clients import redfish
from steps.domain.bmc import BootOverride
from steps.domain.errors import AccessDenied, Unavailable
from steps.domain.host import BootMode
from tests.lab.certificates import Authority
from tests.unit.clients.redfish.peers import Site, bmc_at


def test_facts_are_what_the_bmc_says(any_site: Site) -> None:
    with any_site.connect() as bmc:
        facts = bmc.facts()
    machine = any_site.machine
    assert (facts.serial, facts.uuid, facts.model) == (machine.serial, machine.uuid, machine.model)
    assert (facts.manufacturer, facts.bmc_model, facts.bmc_firmware) == ("Contoso", "Contoso BMC 1", "1.0.0")
    assert facts.macs == machine.macs
    assert (facts.power, facts.boot_progress) == ("off", "None")
    assert machine.done == []


def test_an_image_is_inserted_and_ejected(any_site: Site) -> None:
    with any_site.connect() as bmc:
        before = bmc.cd()
        inserted = bmc.insert(any_site.iso_url)
        seen = bmc.cd()
        ejected = bmc.eject()
    assert (before.inserted, before.image) == (False, "")
    assert (inserted.inserted, inserted.image) == (True, any_site.iso_url)
    assert seen == inserted
    assert ejected == before
    assert any_site.machine.done == [f"insert {any_site.iso_url}", "eject"]


def test_what_is_in_the_slot_is_ejected_before_the_insert(site: Site) -> None:
    with site.connect() as bmc:
        bmc.insert(site.iso_url.replace("esx01", "old"))
        bmc.insert(site.iso_url)
        bmc.insert(site.iso_url)  # "inserted already" is not believed: some BMCs go on showing what is gone
    insert = f"insert {site.iso_url}"
    assert site.machine.done == [insert.replace("esx01", "old"), "eject", insert, "eject", insert]


def test_an_empty_slot_is_not_ejected(site: Site) -> None:
    with site.connect() as bmc:
        assert not bmc.eject().inserted
    assert site.sent("POST", "EjectMedia") == 0


@pytest.mark.parametrize(("mode", "redfish_mode"), [("uefi", "UEFI"), ("bios", "Legacy")])
def test_the_cd_is_started_from_once(any_site: Site, mode: BootMode, redfish_mode: str) -> None:
    with any_site.connect() as bmc:
        override = bmc.boot_once_from_cd(mode)
        bmc.power_on()
        after = bmc.boot_override()
        bmc.power_off()
        bmc.power_on()
    assert override == BootOverride(enabled="Once", target="Cd", mode=redfish_mode)
    assert after == BootOverride(enabled="Disabled", target="None", mode=redfish_mode)
    assert any_site.machine.done == [f"on from cd in {redfish_mode}", "off", f"on from disk in {redfish_mode}"]


def test_an_override_that_is_there_is_not_sent_again(site: Site) -> None:
    with site.connect() as bmc:
        bmc.boot_once_from_cd("uefi")
        bmc.boot_once_from_cd("uefi")
        assert site.sent("PATCH") == 1
        bmc.boot_once_from_cd("bios")
    assert [entry.body for entry in site.bmc.log.of("PATCH")][1:] == [
        b'{"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideMode": "Legacy"}}'
    ]


def test_the_override_is_cleared(any_site: Site) -> None:
    with any_site.connect() as bmc:
        bmc.clear_boot_override()
        assert any_site.sent("PATCH") == 0
        bmc.boot_once_from_cd("uefi")
        cleared = bmc.clear_boot_override()
        bmc.power_on()
    assert cleared.enabled == "Disabled"
    assert any_site.machine.done == ["on from disk in UEFI"]


def test_power_is_switched_only_when_it_has_to_be(any_site: Site) -> None:
    with any_site.connect() as bmc:
        assert bmc.power() == "off"
        assert bmc.power_off() == "off"
        assert bmc.power_on() == "on"
        assert bmc.power_on() == "on"
        assert bmc.power() == "on"
        assert bmc.boot_progress() == "OSRunning"
        assert bmc.power_off() == "off"
    assert any_site.machine.done == ["on from disk in UEFI", "off"]
    assert any_site.sent("POST", "ComputerSystem.Reset") == 2


def test_a_certificate_of_another_authority_is_refused(tls_site: Site) -> None:
    with (
        pytest.raises(AccessDenied, match="certificate is not trusted") as refused,
        tls_site.connect(ca_pem=Authority("Someone else").pem),
    ):
        pass
    assert "bmc.ca" in refused.value.hint
    assert "verify_tls" in refused.value.hint
    assert tls_site.bmc.log.entries == []
    assert tls_site.clock.seconds == 0  # a certificate does not become trusted by trying again


def test_without_a_ca_only_public_ones_are_trusted(tls_site: Site) -> None:
    with pytest.raises(AccessDenied, match="certificate is not trusted"), tls_site.connect(ca_pem=""):
        pass


def test_the_host_name_is_checked(tls_site: Site, authority: Authority) -> None:
    url = tls_site.bmc.url.replace("127.0.0.1", "localhost")
    with (
        pytest.raises(AccessDenied, match="localhost"),
        redfish.connect(bmc_at(url), password="x", ca_pem=authority.pem, clock=tls_site.clock),
    ):
        pass


def test_verification_can_be_switched_off(tls_site: Site) -> None:
    with tls_site.connect(ca_pem="", verify=False) as bmc:
        assert bmc.power() == "off"


def test_tls_towards_a_plain_server_passes_as_unavailable(site: Site) -> None:
    url = site.bmc.url.replace("http://", "https://")
    with (
        pytest.raises(Unavailable, match="no TLS connection"),
        redfish.connect(bmc_at(url), password="x", clock=site.clock),
    ):
        pass
