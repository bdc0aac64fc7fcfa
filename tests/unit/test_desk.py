"""What a table refers to on this machine: nothing that never ends, never begins or cannot be is read."""

import os
from pathlib import Path

import pytest

from steps.domain.errors import ConfigError, HerasphereError
from steps.domain.table import SecretEntry
from workflows.desk import Desk
from workflows.desk_secrets import MAX_SECRET_BYTES


def desk_in(folder: Path) -> Desk:
    (folder / "hosts.yaml").write_text("hosts: []\n")
    os.mkfifo(folder / "pipe.iso")
    (folder / "large").write_text("x" * (MAX_SECRET_BYTES + 1))
    return Desk(folder / "hosts.yaml", {})


@pytest.mark.parametrize("name", ["/dev/zero", "pipe.iso", "a\0b", "large", "."])
def test_a_secret_is_read_from_small_files_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(HerasphereError):
        desk_in(tmp_path).kept.read(SecretEntry(file=name))


@pytest.mark.parametrize("name", ["pipe.iso", "a\0b.iso", "two words.iso", ""])
def test_an_iso_is_a_file_that_can_be_served(tmp_path: Path, name: str) -> None:
    with pytest.raises(HerasphereError):
        desk_in(tmp_path).find_iso(name)


def test_a_table_without_end_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        Desk(Path("/dev/zero"), {}).plan()


def test_a_table_is_read_once(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    before = desk.text
    desk.table.write_text("hosts: [changed]\n")
    assert desk.text == before
