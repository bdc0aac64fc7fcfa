from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.vcenter.vcenter import VCenter, vcenter
from tests.steps.images.lab import Lab
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
