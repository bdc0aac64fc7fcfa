"""What reaches an image build of pip's settings."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.lab.pip_settings import build_secrets, settings_of

LISTED = """\
:env:.index-url='https://me:100%25@index.example/simple'
global.index-url='https://index.example/simple'
global.cert='/etc/ssl/own.pem'
install.find-links='/opt/wheels'
download.proxy='http://not.for.install'
:env:.default-timeout='90'
"""


def test_the_environment_is_stronger_than_a_file_and_other_commands_settings_are_left_out() -> None:
    assert settings_of(LISTED) == {
        "index-url": "https://me:100%25@index.example/simple",
        "cert": "/etc/ssl/own.pem",
        "find-links": "/opt/wheels",
        "timeout": "90",
    }


def test_they_travel_in_files_which_pip_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.lab.pip_settings.subprocess.run", lambda *_a, **_k: SimpleNamespace(stdout=LISTED))
    options = build_secrets(tmp_path)
    monkeypatch.undo()
    assert options == ["--secret", f"id=pip.conf,src={tmp_path}/pip.conf", "--secret", "id=ca.crt,src=/etc/ssl/own.pem"]
    assert "me:" not in " ".join(options)
    read = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=True,
        env={"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")},
    )
    settings = settings_of(read.stdout)
    assert settings["index-url"] == "https://me:100%25@index.example/simple"
    assert settings["timeout"] == "90"


def test_without_settings_nothing_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.lab.pip_settings.subprocess.run", lambda *_a, **_k: SimpleNamespace(stdout=""))
    assert build_secrets(tmp_path) == []
