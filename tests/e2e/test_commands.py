"""The commands that touch nothing, as other people's scripts use them: what they print where, and how they exit."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.hera import ROOT, hera
from tests.lab.inprocess.site import BMC_PASSWORD, ROOT_PASSWORD, InProcessSite, site
from workflows.catalog import CATALOG


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessSite]:
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made


def test_validate_tells_all_faults_of_all_files_on_stdout(made: InProcessSite, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(made.table.read_text().replace("LAB0001", "").replace("10.99.0.1\n", "10.98.0.1\n"))
    sound = hera(tmp_path, "validate", "-f", made.table)
    assert (sound.code, sound.out) == (0, "")
    said = hera(tmp_path, "validate", "-f", made.table, "-f", bad)
    assert said.code == 2
    lines = said.out.splitlines()
    assert len(lines) >= 4 and all(line.startswith(f"{bad}:") and line.endswith(")") for line in lines)
    assert any("has no serial" in line for line in lines)
    assert any("gateway 10.98.0.1 is outside esx02's subnet" in line for line in lines)
    assert hera(tmp_path, "validate", "-f", bad, made.table).out == said.out


def test_plan_is_data_on_stdout(made: InProcessSite, tmp_path: Path) -> None:
    said = hera(tmp_path, "plan", "install-hosts", "-f", made.table, "--json")
    assert said.code == 0
    plan = json.loads(said.out)
    assert [host["serial"] for host in plan["hosts"]] == ["LAB0001", "LAB0002"]
    assert plan["hosts"][0]["bmc"]["password"]["name"] == "herasphere-desk"
    shown = hera(tmp_path, "plan", "install-hosts", "-f", made.table, "--only", "esx02").out
    assert "esx02" in shown and "esx01" not in shown and "the only disk with model=LAB DISK" in shown


def test_render_puts_the_table_into_a_manifest_and_no_secret(made: InProcessSite, tmp_path: Path) -> None:
    said = hera(tmp_path, "render", "install-hosts", "-f", made.table)
    assert said.code == 0
    manifest = yaml.safe_load(said.out)
    parameters = {p["name"]: p.get("value") for p in manifest["spec"]["arguments"]["parameters"]}
    assert parameters["table"] == made.table.read_text()
    assert BMC_PASSWORD not in said.out and ROOT_PASSWORD not in said.out
    items = manifest["spec"]["volumes"][0]["projected"]["sources"][0]["secret"]["items"]
    assert len(items) == 3, "BMC password, CA and root password, each once"


def test_render_all_writes_every_workflow(tmp_path: Path) -> None:
    said = hera(tmp_path, "render", "--all", "-o", tmp_path / "out")
    assert said.code == 0
    assert said.out.split() == [str(tmp_path / "out" / f"{name}.yaml") for name in CATALOG]
    assert yaml.safe_load((tmp_path / "out" / "install-host.yaml").read_text())["kind"] == "WorkflowTemplate"


def test_doctor_looks_at_the_way_to_the_servers(made: InProcessSite, tmp_path: Path) -> None:
    said = hera(tmp_path, "doctor", "-f", made.table)
    assert said.code == 0, said.out
    assert "BMC of esx02: " in said.out and "reached at: 127.0.0.1" in said.out
    gone = tmp_path / "gone.yaml"
    gone.write_text(made.table.read_text())
    said = hera(tmp_path, "doctor", "-f", gone)
    assert said.code == 1 and "FAULT  table" in said.out


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "install-host", "-f", "x"],
        ["render"],
        ["render", "--all"],
        ["render", "nothing"],
        ["run", "install-host", "-f", "x"],
        ["run", "install-hosts"],
        ["no-such-command"],
        ["validate", "-f", "/nowhere/hosts.yaml"],
        ["media", "list"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_with_a_reason_and_no_traceback(words: list[str], tmp_path: Path) -> None:
    said = hera(tmp_path, *words)
    assert said.code == 2
    assert said.out + said.err
    assert "Traceback" not in said.err


def test_generate_is_heras_own(tmp_path: Path) -> None:
    said = hera(tmp_path, "generate", "--help")
    assert said.code in (0, 2)
    assert "yaml" in said.out.lower() or "hera[cli]" in said.err


@pytest.mark.parametrize("name", ["hera", "herasphere"])
def test_the_scripts_are_this_program(name: str) -> None:
    script = Path(sys.executable).parent / name
    said = subprocess.run([script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "install" in said.stdout and "validate" in said.stdout


def test_help_of_every_command_opens(tmp_path: Path) -> None:
    for words in ([], ["validate"], ["plan"], ["render"], ["run"], ["doctor"], ["media"], ["media", "serve"]):
        assert hera(tmp_path, *words, "--help").code == 0, words
