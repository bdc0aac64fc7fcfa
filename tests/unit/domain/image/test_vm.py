"""Whose a VM is, and what may be done with it."""

from typing import Any

import pytest

from steps.domain.errors import Conflict, Refused
from steps.domain.image.vm import (
    NOTES,
    Mark,
    Origin,
    VmSeen,
    check_own,
    decide_create,
    decide_replace,
    temporary_name,
)

PATH = "[fast] base/base.vmx"


def vm(run: str = "", **changes: Any) -> VmSeen:
    """A VM called base, made by this run; by nobody's if there is none."""
    values: dict[str, Any] = {
        "moid": "vm-1",
        "name": "base",
        "uuid": "u",
        "power": "off",
        "is_template": False,
        "path": PATH,
        "has_snapshots": False,
        "mark": Mark(run=run, name="base") if run else None,
    }
    return VmSeen(**(values | changes))


def test_the_mark_is_what_others_find_in_the_vms_settings() -> None:
    assert Mark(run="run-1", name="base").extra_config == {"herasphere.run": "run-1", "herasphere.name": "base"}
    assert {*NOTES.values()} == {"importing", "typed", "provisioned", "finished"}
    assert all(key == f"herasphere.{note}" for key, note in NOTES.items())


@pytest.mark.parametrize("os_name", ["", "Photon 5"])
@pytest.mark.parametrize("iso_checksum", ["", "sha256:00"])
def test_an_origin_is_read_as_it_was_written(os_name: str, iso_checksum: str) -> None:
    origin = Origin(os_name=os_name, iso_checksum=iso_checksum)
    assert Origin.of(origin.extra_config) == origin
    assert "" not in origin.extra_config.values()


def test_an_origin_among_other_settings() -> None:
    given = {"herasphere.os": "Photon 5", "herasphere.iso_checksum": "md5:00", "guestinfo.os": "other"}
    assert Origin.of(given) == Origin(os_name="Photon 5", iso_checksum="md5:00")


@pytest.mark.parametrize(
    ("seen", "is_finished"),
    [
        (vm("run-1", notes={"finished": "run-1"}), True),
        (vm("run-1", notes={"finished": "run-0"}), False),  # a clone of another run's, whose note came with it
        (vm("run-1", notes={"finished": "run-1"}, name="base-run-1"), False),
        (vm("run-1", notes={"provisioned": "run-1"}), False),
        (vm("run-1"), False),
        (vm(notes={"finished": "run-1"}), False),
    ],
)
def test_a_vm_is_finished_if_its_run_says_so_under_its_final_name(seen: VmSeen, is_finished: bool) -> None:
    assert seen.is_finished is is_finished


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("there", [None, vm(), vm("run-0")])
def test_a_second_try_takes_up_its_own_vm(there: VmSeen | None, force: bool) -> None:
    assert decide_create("base", vm("run-1"), there, force=force) == "take up"


@pytest.mark.parametrize("force", [False, True])
def test_a_free_name(force: bool) -> None:
    assert decide_create("base", None, None, force=force) == "create"


@pytest.mark.parametrize(("is_template", "told"), [(False, "there is a VM base already"), (True, "a template base")])
@pytest.mark.parametrize("run", ["", "run-0"])
def test_a_name_that_is_taken_needs_force(run: str, is_template: bool, told: str) -> None:
    there = vm(run, is_template=is_template)
    with pytest.raises(Conflict, match=told) as caught:
        decide_create("base", None, there, force=False)
    assert caught.value.where == PATH and "--force" in caught.value.hint
    assert decide_create("base", None, there, force=True) == "create"


def test_a_name_that_was_taken_meanwhile_needs_force() -> None:
    with pytest.raises(Conflict, match="another base meanwhile") as caught:
        decide_replace(vm(), force=False)
    assert caught.value.where == PATH and "--force" in caught.value.hint
    decide_replace(vm(), force=True)


@pytest.mark.parametrize(
    ("seen", "whose"), [(vm("run-10"), "run run-10"), (vm("run-"), "run run-"), (vm(), "nobody that herasphere knows")]
)
def test_a_step_changes_no_other_vm(seen: VmSeen, whose: str) -> None:
    with pytest.raises(Refused, match=rf"base was made by {whose} \(hint") as caught:
        check_own(seen, "run-1")
    assert caught.value.where == PATH


def test_a_step_changes_its_own() -> None:
    check_own(vm("run-1"), "run-1")


@pytest.mark.parametrize("name", ["b", "b" * 70, "b" * 73, "b" * 74, "b" * 80])
def test_a_temporary_name_is_the_runs_own_and_no_longer_than_vsphere_has_them(name: str) -> None:
    made = temporary_name(name, "run-1")
    assert made.endswith("-run-1") and made != temporary_name(name, "run-2")
    assert len(made) == min(len(name) + 6, 80) and name.startswith(made.removesuffix("-run-1"))
