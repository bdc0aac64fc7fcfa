"""An ISO that somebody puts into the library folder is held without another word."""

import os
import shutil
import time
from pathlib import Path

import pytest

from steps.clients.media import Media
from steps.domain.errors import NotFound
from tests.unit.media.serving import TOKEN, service


def put(iso: Path, place: Path, *, age_s: float = 60) -> None:
    shutil.copy(iso, place)
    os.utime(place, (time.time() - age_s,) * 2)


def test_it_is_taken_in_where_it_lies(tmp_path: Path, iso: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (tmp_path / "media").mkdir()
    with service(tmp_path / "media", library=library) as at, Media(at.control_url, TOKEN) as media:
        assert media.isos() == []
        put(iso, library / "ESXi-8.ISO")
        (library / "notes.txt").write_text("no ISO")
        (library / "broken.iso").write_text("no ISO either")
        assert [held.name for held in media.isos()] == ["ESXi-8.ISO"]
        put(iso, library / "the-same-again.iso")
        assert [held.name for held in media.isos()] == ["ESXi-8.ISO"]


def test_one_that_is_still_copied_is_not_taken_yet(tmp_path: Path, iso: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (tmp_path / "media").mkdir()
    with service(tmp_path / "media", library=library) as at, Media(at.control_url, TOKEN) as media:
        put(iso, library / "esxi.iso", age_s=0)
        with pytest.raises(NotFound):
            media.iso("esxi.iso")
        os.utime(library / "esxi.iso", (1, 1))
        assert media.iso("esxi.iso").name == "esxi.iso"
