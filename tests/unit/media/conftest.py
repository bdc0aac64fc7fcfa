from collections.abc import Iterator
from pathlib import Path

import pytest

from steps.clients.media import Media
from steps.media.service import Ready
from tests.unit.domain.isos import esxi_tree, genisoimage
from tests.unit.media.serving import TOKEN, service


@pytest.fixture(scope="session")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iso")
    esxi_tree(folder / "tree", files=60)
    (folder / "tree" / "BIG.V00").write_bytes(bytes(range(256)) * 48_000)
    return genisoimage(folder / "tree", folder / "ESXi-8.0U3.iso", "-J", "-R")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Ready]:
    with service(tmp_path) as ready:
        yield ready


@pytest.fixture
def media(at: Ready, iso: Path) -> Iterator[Media]:
    with Media(at.control_url, TOKEN) as client:
        client.add_iso(iso, upload=False)
        yield client
