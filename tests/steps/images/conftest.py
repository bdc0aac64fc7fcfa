from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.clients.vsphere import rest
from steps.domain.image.plan import AppliancePlan
from steps.export import clone_vm
from tests.lab.vcenter.vcenter import VCenter, vcenter
from tests.steps.images.lab import OVA, Lab
from tests.unit.domain.appliances import MIB, appliance, ova, pattern, qemu_vmdk
from tests.unit.media.serving import TOKEN, service


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    with vcenter(tmp_path_factory.mktemp("vcenter")) as made:
        yield made


@pytest.fixture(scope="module")
def media_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with service(tmp_path_factory.mktemp("media")) as at:
        yield at.control_url


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a step finds its secrets; the media service's token is there."""
    folder = tmp_path / "secrets"
    (folder / "herasphere-media").mkdir(parents=True)
    (folder / "herasphere-media" / "token").write_text(TOKEN)
    monkeypatch.setenv("HERASPHERE_SECRETS", str(folder))
    return folder


@pytest.fixture
def lab(vc: VCenter, media_url: str, secrets: Path, tmp_path: Path) -> Lab:
    desk = tmp_path / "desk"
    desk.mkdir()
    return Lab(vc, desk, secrets, media_url)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An OVA whose disk has something on it."""
    return ova(appliance(2 * MIB), {"d0": qemu_vmdk(tmp_path_factory.mktemp("disk"), pattern(2 * MIB))})[0]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder that OVAs go to."""
    return tmp_path / "out"


@pytest.fixture
def plan(lab: Lab, base: bytes, out: Path) -> AppliancePlan:
    """Of an appliance whose OVA goes to a folder."""
    (lab.folder / "base.ova").write_bytes(base)
    (lab.folder / "eula.txt").write_text("You <agree>.")
    return lab.appliance(f"{OVA}output_dir: {out}\n")


@pytest.fixture
def vm(lab: Lab, plan: AppliancePlan) -> str:
    """The id of the appliance's VM."""
    return str(lab.do(clone_vm, plan).vm)


@pytest.fixture
def shelf(lab: Lab) -> str:
    """The name of a content library that is empty."""
    name = f"library of {lab.name}"
    with lab.site() as site, rest.session(site.vsphere) as api:
        backing = {"type": "DATASTORE", "datastore_id": site.datastore._GetMoId()}
        spec = {"name": name, "type": "LOCAL", "storage_backings": [backing]}
        api.call("POST", "content/local-library", {"create_spec": spec})
    return name
