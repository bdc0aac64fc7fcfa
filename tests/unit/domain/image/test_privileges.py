"""The privileges asked for are such as a vCenter has, each of them once and on the kind of object that has it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from steps.domain.image.privileges import NEEDED

SIMULATOR = Path(__file__).parents[3] / "lab" / "vcenter" / "simulator"
KINDS = {
    "VM folder": ("Folder.", "VApp.", "VirtualMachine."),
    "datastore": ("Datastore.",),
    "network": ("Network.",),
    "resource pool": ("Resource.",),
}


def of_a_vcenter() -> set[str]:
    """As govmomi took them down from one."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    command = ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/vmware/govmomi"]
    found = subprocess.run(command, cwd=SIMULATOR, capture_output=True, text=True, check=False).stdout.strip()
    if not found:
        pytest.skip("govmomi is not here (make lab-build)")
    source = (Path(found) / "simulator" / "esx" / "authorization_manager.go").read_text()
    return set(re.findall(r'"([A-Z]\w*(?:\.\w+)+)"', source))


def test_a_vcenter_has_all_of_them() -> None:
    there = of_a_vcenter()
    assert {name for names in NEEDED.values() for name in names} <= there
    assert len(there) > 300


def test_each_is_asked_for_once_on_the_object_that_has_it() -> None:
    names = [name for names in NEEDED.values() for name in names]
    assert len(names) == len(set(names))
    for on, asked in NEEDED.items():
        assert asked and all(name.startswith(KINDS[on]) for name in asked)
