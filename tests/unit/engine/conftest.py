from pathlib import Path

import pytest

from tests.unit.engine.running import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "secrets").mkdir()
    return Site(tmp_path)
