"""`hera doctor --vcenter`: whether images can be built there, told from the desk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hera import Said, hera
from tests.lab.vcenter.fixture import environment, settings_in, why_not
from tests.lab.vcenter.vcenter import DATASTORE, VCenter, vcenter

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

LACKED = ("VirtualMachine.Interact.PutUsbScanCodes", "Datastore.FileManagement")


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    with vcenter(tmp_path_factory.mktemp("vcenter"), lacks=LACKED) as made:
        yield made


def doctor(folder: Path, vc: VCenter, more: str = "", **surroundings: str) -> Said:
    file = settings_in(folder, vc, more)
    return hera(folder, "doctor", "--vcenter", file, timeout_s=60, **{**environment(vc), **surroundings})


def test_everything_that_the_user_lacks_is_told_at_once(vc: VCenter, tmp_path: Path) -> None:
    said = doctor(tmp_path, vc)
    assert said.code == 1
    assert (
        f"datastore: {DATASTORE}, " in said.out and "VM folder: images/linux, which the first build makes" in said.out
    )
    told = [line for line in said.out.splitlines() if line.startswith("FAULT  privileges")]
    assert len(told) == 2 and all(any(name in line for line in told) for name in LACKED)
    assert "docs/image-privileges.md" in said.out
    assert vc.password not in said.out + said.err


@pytest.mark.parametrize(
    ("more", "surroundings", "told"),
    [
        ("datastore: none", {}, "none"),
        ("network: none", {}, "none"),
        ("cluster: none", {}, "none"),
        ("datastor: typo", {}, "did you mean datastore?"),
        ("", {"VCENTER_PASSWORD": "wrong"}, "password"),
        (
            "password: {secret: vcenter, key: password}",
            {"VCENTER_PASSWORD": ""},
            "cannot be read by a run on this machine",
        ),
        ("insecure_connection: false\nca: {env: NO_SUCH}", {}, "NO_SUCH"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_a_hint(
    vc: VCenter, tmp_path: Path, more: str, surroundings: dict[str, str], told: str
) -> None:
    said = doctor(tmp_path, vc, more, **surroundings)
    assert said.code == 1
    [fault] = [line for line in said.out.splitlines() if line.startswith("FAULT")]
    hint = said.out.splitlines()[said.out.splitlines().index(fault) + 1]
    assert told in fault + hint and hint.startswith("       (")
