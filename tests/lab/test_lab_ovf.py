"""Our descriptors as govmomi reads them, the library of govc: every device where it was, every value as it was."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from steps.domain.ovf import Appliance, DiskFile, descriptor
from tests.unit.domain.appliances import MIB, appliance, everything

pytestmark = [pytest.mark.lab, pytest.mark.skipif(shutil.which("go") is None, reason="no Go here")]

SOURCES = Path(__file__).parent / "ovf"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("ovf") / "ovf"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=SOURCES, env=environment, check=True)
    return program


def read_by(reader: Path, made: Appliance) -> dict[str, Any]:
    text = descriptor(made, {disk_id: DiskFile(1000 + n, 1) for n, disk_id in enumerate(made.disk_files)})
    done = subprocess.run([str(reader)], input=text, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_everything(reader: Path) -> None:
    made = everything()
    told = read_by(reader, made)
    assert (told["name"], told["version"], told["guest"]) == (made.name, "vmx-21", "vmwarePhoton64Guest")
    assert (told["cpus"], told["cores"], told["memory_mib"]) == (4, 2, 4096)
    assert (told["firmware"], told["secure_boot"]) == ("efi", True)
    assert told["extra"] == {"disk.EnableUUID": "TRUE", "guestinfo.x": "<&>"}
    assert told["files"] == {f"{made.name}-disk{number}.vmdk": 999 + number for number in (1, 2, 3, 4)}
    assert told["product"] == ["k3s", "Example, Größe & Söhne", "1.2.3", "1.2.3+git.abc"]
    assert told["eulas"] == list(made.eulas) and told["transport"] == ["com.vmware.guestInfo", "iso"]
    assert made.product is not None
    given = {each.key: each.default for each in made.product.properties}
    assert told["properties"] == given | {"ssh": "True"}  # govmomi writes booleans so


def test_every_device_is_where_it_was(reader: Path) -> None:
    told = [(each["kind"], each["controller"], each["unit"]) for each in read_by(reader, everything())["devices"]]
    assert told == [
        ("LsiLogicSASController", "", None),
        ("ParaVirtualSCSIController", "", None),
        ("IDEController", "", None),
        ("IDEController", "", None),
        ("AHCIController", "", None),
        ("NVMEController", "", None),
        ("MachineVideoCard", "", None),
        ("USBController", "", None),
        ("USBXHCIController", "", None),
        ("Disk", "LsiLogicSASController", 0),
        ("Disk", "LsiLogicSASController", 1),
        ("Disk", "ParaVirtualSCSIController", 8),
        ("Disk", "NVMEController", 0),
        ("Cdrom", "AHCIController", 0),
        ("Cdrom", "IDEController", 0),
        ("SIOController", "", None),
        ("Floppy", "SIOController", 0),
        ("Vmxnet3", "", 7),
        ("E1000e", "", 8),
    ]


def test_capacities(reader: Path) -> None:
    sizes = [512, MIB, 2**30, 2**30 + 512, 62 * 2**40]
    disks = [each for each in read_by(reader, appliance(*sizes))["devices"] if each["kind"] == "Disk"]
    assert [disk["capacity"] for disk in disks] == sizes
