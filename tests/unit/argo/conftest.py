from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.argo import desk as desks


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[desks.Desk]:
    with desks.desk(tmp_path, capsys, monkeypatch) as made:
        yield made
