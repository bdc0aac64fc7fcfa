"""Every command says what it does, and what each of its options means."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from workflows.cli import app


def commands(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, *words, name)


ALL = dict(commands(get_command(app)))


@pytest.mark.parametrize("words", [words for words in ALL if words != ("generate",)], ids=" ".join)
def test_help(words: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, [*words, "--help"])
    assert said.exit_code == 0 and ALL[words].help
    silent = [each.name for each in ALL[words].params if not getattr(each, "hidden", False) and not _about(each)]
    assert silent == []


def _about(parameter: Any) -> str:
    return str(getattr(parameter, "help", "") or "")
