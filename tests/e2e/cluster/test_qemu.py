"""`hera submit install-hosts` on a real Argo against servers that really boot: QEMU, firmware, boot loader, kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from steps.clients import esxi
from tests.e2e.cluster.running import INSTALLING, ask, told, until_told, watch
from tests.e2e.test_install_qemu import assert_left_clean, quiet
from tests.lab.here import network_for_tests
from tests.lab.here import why_not as no_site
from tests.lab.kube.fixture import why_not
from tests.lab.site import Site
from tests.lab.spec import default_servers

REASON = why_not() or no_site()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(REASON), reason=REASON or "-")]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two servers, one of each boot mode, whose ISO the cluster's media service has."""
    folder = tmp_path_factory.mktemp("qemu")
    with Site(folder, default_servers(2), network=network_for_tests("q", 6), say=quiet) as site:
        added = ask(folder, "media", "add", yaml.safe_load(site.host_table.read_text())["defaults"]["iso"], "--cluster")
        assert added.code == 0, added.err
        yield site


def test_two_servers_that_boot_are_installed(servers: Site, tmp_path: Path) -> None:
    said = ask(tmp_path, "submit", "install-hosts", "-f", servers.host_table, "--yes", "--watch", "--json")
    assert said.code == 0, told(said)
    for server in servers.servers:
        seen = esxi.look(server.address, 443)
        assert seen is not None and (seen.version, seen.build) == ("8.0.3", "24022510")
    assert_left_clean(servers)


def test_stopped_while_it_boots_the_installer_nothing_stays_mounted(servers: Site, tmp_path: Path) -> None:
    words = ("submit", "install-hosts", "-f", servers.host_table, "--yes", "--reinstall", "--only", "esx01")
    said = ask(tmp_path, *words)
    assert said.code == 0, said.err
    run = said.out.strip()
    until_told(tmp_path, run, INSTALLING)
    assert ask(tmp_path, "stop", run).code == 0
    said = watch(tmp_path, run)
    assert said.code == 1 and f"{run}: stopped" in said.err
    assert_left_clean(servers)
