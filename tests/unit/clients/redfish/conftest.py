from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.bmc import MemoryMachine, serve
from tests.lab.certificates import Authority
from tests.unit.clients.redfish.peers import PASSWORD, USERNAME, Site, iso_server


@pytest.fixture(scope="session")
def web() -> Iterator[str]:
    with iso_server() as url:
        yield url


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("Contoso lab CA")


@pytest.fixture
def site(web: str) -> Iterator[Site]:
    """A well-behaved BMC over plain HTTP."""
    machine = MemoryMachine()
    with serve(machine, username=USERNAME, password=PASSWORD) as bmc:
        yield Site(bmc, machine, iso_url=f"{web}/m/token/esx01.iso")


@pytest.fixture
def tls_site(web: str, authority: Authority, tmp_path: Path) -> Iterator[Site]:
    """The same over TLS, with a certificate of the authority."""
    machine = MemoryMachine()
    cert, key = authority.issue("127.0.0.1", tmp_path)
    with serve(machine, username=USERNAME, password=PASSWORD, cert=cert, key=key) as bmc:
        yield Site(bmc, machine, iso_url=f"{web}/m/token/esx01.iso", ca_pem=authority.pem)


@pytest.fixture(params=["http", "tls"])
def any_site(request: pytest.FixtureRequest) -> Site:
    chosen: Site = request.getfixturevalue("site" if request.param == "http" else "tls_site")
    return chosen
