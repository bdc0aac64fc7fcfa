"""`hera ova`: faults on stdout with exit code 1, talk on stderr, and never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.unit.domain.appliances import GRAIN, appliance, ova, pattern, vsphere_vmdk
from workflows.cli import app
from workflows.cli.ova import _shown

RAW = pattern(2 * GRAIN)
SOUND, _ = ova(appliance(len(RAW)), {"d0": vsphere_vmdk(RAW)})


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box.ova"
    path.write_bytes(SOUND)
    return path


def hera(*words: str | Path, given: bytes = b"") -> tuple[int, str, str]:
    """The command as people start it: exit code, stdout, stderr."""
    command = [sys.executable, "-m", "workflows", *map(str, words)]
    ran = subprocess.run(command, input=given, capture_output=True, check=False, cwd=Path(__file__).parents[3])
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


def test_a_sound_one(box: Path) -> None:
    code, out, talk = hera("ova", "verify", box)
    assert (code, out, talk) == (0, "", f"{box}: 3 files, 1 disk, {len(SOUND)} bytes, no fault\n")


def test_from_a_pipe() -> None:
    assert hera("ova", "verify", "-", given=SOUND)[0] == 0
    assert hera("ova", "verify", "-", given=SOUND[:-2000])[0] == 1


def test_faults_of_several(box: Path) -> None:
    bad = box.with_name("bad.ova")
    bad.write_bytes(SOUND[:-1024])
    code, out, talk = hera("ova", "verify", box, bad)
    assert code == 1 and len(out.splitlines()) == 1
    assert out.startswith(f"{bad}: byte {len(SOUND) - 1024}: the archive is cut short (")
    assert f"{bad}: 3 files, 1 disk, {len(SOUND) - 1024} bytes, 1 fault\n" in talk


@pytest.mark.parametrize("name", ["missing.ova", ""], ids=["missing", "a folder"])
@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_what_cannot_be_read(name: str, command: str, tmp_path: Path) -> None:
    code, out, talk = hera("ova", command, tmp_path / name)
    assert code == 2 and out == "" and talk.startswith(f"{tmp_path / name}: cannot be read: ")
    assert talk.endswith("(hint: correct the path)\n")


def test_inspect(box: Path) -> None:
    code, out, talk = hera("ova", "inspect", box)
    assert code == 0 and talk == ""
    assert "guest      centos7_64Guest, vmx-14, bios\n" in out and "network    VM Network (E1000)\n" in out
    assert out.splitlines()[-1].split()[0] == "box-disk1.vmdk"


def test_inspect_as_json(box: Path) -> None:
    told = json.loads(hera("ova", "inspect", box, "--json")[1])
    assert [file["name"] for file in told["files"]] == ["box.ovf", "box.mf", "box-disk1.vmdk"]
    assert told["disks"][0]["capacity_bytes"] == len(RAW) and told["machines"][0]["memory_mib"] == 4096


def test_inspect_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(os.urandom(2000))
    code, out, talk = hera("ova", "inspect", tmp_path / "x")
    assert (code, out) == (1, "") and talk.startswith(f"{tmp_path / 'x'}: no OVA: no tar header")
    assert hera("ova", "inspect", "-", given=SOUND)[0] == 2


def test_strangers_do_not_move_the_cursor() -> None:
    assert "\x1b" not in _shown("\x1b[2Jname\x9b\r\n") and "\n" not in _shown("a\nb")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=4)), max_size=4), st.booleans()
)
def test_damage_never_ends_in_a_traceback(tmp_path: Path, places: list[tuple[int, bytes]], cut: bool) -> None:
    data = bytearray(SOUND)
    for at, replacement in places:
        data[at : at + len(replacement)] = replacement
    path = tmp_path / "damaged.ova"
    path.write_bytes(data[: places[0][0]] if cut and places else data)
    for command in ("verify", "inspect"):
        ran = CliRunner().invoke(app, ["ova", command, str(path)])
        assert ran.exit_code in (0, 1) and isinstance(ran.exception, SystemExit | None)
