"""Each step that touches a BMC, by itself: run twice, run late, run beside somebody else. Real Redfish, real media."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from steps.clients import redfish
from steps.clients.media import Media
from steps.domain.errors import HerasphereError, Refused, VerifyFailed
from steps.domain.host import Bmc, Host, SecretRef
from steps.domain.identity import Before
from steps.domain.media import Lease
from steps.install import eject_iso, install, mount_iso, set_boot
from tests.lab.bmc import Emulator, serve
from tests.lab.bmc.memory import MemoryMachine
from tests.unit.domain.isos import esxi_tree, genisoimage
from tests.unit.domain.samples import HOST
from tests.unit.media.serving import TOKEN, service

RUN = "run-1"


class Machine(MemoryMachine):
    """Does something of the test's choice as soon as a medium is inserted."""

    on_insert: Callable[[], None] = staticmethod(lambda: None)

    def insert(self, url: str) -> None:
        super().insert(url)
        self.on_insert()


@dataclass
class Site:
    """One server, its BMC, and a media service with a lease for it."""

    machine: Machine
    bmc: Emulator
    media: Media
    lease: Lease
    host: Host
    given: dict[str, object]

    def changes(self) -> list[str]:
        entries = self.bmc.log.entries
        return [e.path for e in entries if e.method in ("POST", "PATCH") and "Sessions" not in e.path]


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iso")
    esxi_tree(folder / "tree")
    return genisoimage(folder / "tree", folder / "esxi.iso", "-J", "-R")


@pytest.fixture
def site(tmp_path: Path, iso: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    machine = Machine()
    secrets = {"herasphere-media/token": TOKEN, "desk/bmc": "secret", "desk/root": "Str0ng!Enough#1"}
    for name, text in secrets.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("HERASPHERE_SECRETS", str(tmp_path))
    with (
        service(tmp_path) as at,
        serve(machine, username="root", password="secret") as bmc,
        Media(at.control_url, TOKEN) as media,
    ):
        host = _host(machine, bmc).model_copy(update={"iso": media.add_iso(iso, upload=False)})
        lease = media.grant(
            run=RUN, host=host.name, serial=host.serial, iso_sha256=host.iso.sha256, kickstart="reboot\n", ttl_s=600
        )
        yield Site(machine, bmc, media, lease, host, {"host": host, "run": RUN, "media": at.control_url})


def _host(machine: Machine, bmc: Emulator) -> Host:
    return HOST.model_copy(
        update={
            "serial": machine.serial,
            "bmc": Bmc(url=bmc.url, username="root", password=SecretRef(name="desk", key="bmc")),
            "network": HOST.network.model_copy(update={"mac": machine.macs[0]}),
            "root_password": SecretRef(name="desk", key="root"),
            "api": "127.0.0.1:9",
        }
    )


def mount(site: Site) -> mount_iso.Output:
    return mount_iso.mount_iso(mount_iso.Input(**site.given))


def boot(site: Site) -> set_boot.Output:
    return set_boot.set_boot(set_boot.Input(**site.given))


def eject(site: Site) -> eject_iso.Output:
    return eject_iso.eject_iso(eject_iso.Input(**site.given))


def test_mount_twice_inserts_once(site: Site) -> None:
    assert mount(site).action == "insert"
    assert mount(site).action == "nothing"
    assert len(site.bmc.log.of("POST", "InsertMedia")) == 1


def test_what_an_ended_run_left_is_replaced(site: Site) -> None:
    other = site.media.grant(
        run="run-0", host="old", serial="OTHER", iso_sha256=site.lease.iso.sha256, kickstart="", ttl_s=600
    )
    with redfish.connect(site.host.bmc, password="secret") as client:
        client.insert(other.url)
    site.media.revoke(run="run-0", host="old")
    assert mount(site).action == "replace"


def test_a_step_that_comes_after_the_clean_up_touches_nothing(site: Site) -> None:
    site.media.revoke(run=RUN, host="esx01")
    before = site.changes()
    for step in (mount, boot, lambda s: install.install(install.Input(**s.given, before=Before()))):
        with pytest.raises(Refused, match="run run-1 has ended"):
            step(site)
    assert site.changes() == before


def test_a_medium_inserted_while_the_clean_up_ran_is_taken_out_again(site: Site) -> None:
    site.machine.on_insert = lambda: site.media.revoke(run=RUN, host="esx01")
    with pytest.raises(Refused, match="run run-1 has ended"):
        mount(site)
    assert len(site.bmc.log.of("POST", "EjectMedia")) == 1


def test_boot_is_not_set_without_our_medium(site: Site) -> None:
    with pytest.raises(VerifyFailed, match="holds nothing instead of the ISO of run run-1"):
        boot(site)
    assert site.changes() == []


def test_boot_is_set_with_the_power_off_and_not_again_once_started(site: Site) -> None:
    mount(site)
    site.machine.power_on(cd_first=False, mode="UEFI")
    assert boot(site).action == "set"
    assert not site.machine.is_on
    assert (site.bmc.override.enabled, site.bmc.override.target) == ("Once", "Cd")
    site.media.mark(run=RUN, host="esx01", name="power-on", value="0")
    assert boot(site).action == "nothing"


def test_another_server_behind_the_bmc_is_noticed_by_every_step(site: Site) -> None:
    mount(site)
    before = site.changes()
    site.machine.serial = "SWAPPED"
    for step in (mount, boot):
        with pytest.raises(Refused, match="serial number 'SWAPPED'"):
            step(site)
    assert site.changes() == before


def test_eject_clears_what_the_run_set_and_only_once(site: Site) -> None:
    mount(site)
    boot(site)
    assert eject(site).action == "eject"
    assert site.bmc.override.enabled == "Disabled"
    before = site.changes()
    assert eject(site).action == "nothing"
    assert site.changes() == before


def test_eject_leaves_a_host_alone_that_the_run_never_touched(site: Site) -> None:
    assert eject(site).action == "nothing"
    assert not site.bmc.log.entries


def test_eject_ends_the_lease_even_if_the_bmc_does_not_answer(site: Site) -> None:
    mount(site)
    site.bmc.close()
    with pytest.raises(HerasphereError):
        eject(site)
    assert site.media.lease(run=RUN, host="esx01").revoked
