"""The house rules a machine can check: linters, layers, and that what is generated is fresh."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=lambda command: " ".join(command),
)
def test_linter(command: list[str]) -> None:
    result = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("package", ["workflows", "steps"])
def test_no_other_distribution_brings_our_package_names(package: str) -> None:
    owners = {
        distribution.metadata["Name"]
        for distribution in distributions()
        for file in distribution.files or ()
        if file.parts and file.parts[0] == package
    }
    assert owners <= {"herasphere"}


@pytest.mark.parametrize("folder", ["config", "images"])
def test_data_folders_are_no_packages(folder: str) -> None:
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_the_lock_names_no_host() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "--index-url" not in text and "--find-links" not in text


def test_every_package_file_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in ("workflows", "steps")
        for path in (ROOT / package).rglob("*.py")
        if not path.read_text().lstrip().startswith('"""')
    ]
    assert not silent
