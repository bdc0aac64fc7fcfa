"""A session at vCenter that somebody ends while a step is at work: the step goes on in a new one."""

import threading
from types import ModuleType
from typing import Any

import pytest

from steps.build import (
    convert_to_template,
    create_vm,
    detach_media,
    put_in_place,
    take_snapshot,
    type_boot_command,
    wait_for_guest,
)
from steps.clients.vsphere import inventory, properties
from steps.clients.vsphere.inventory import Site
from steps.domain.errors import TimedOut
from steps.domain.image.plan import AppliancePlan
from steps.domain.wait import wait_until
from steps.export import clone_vm, export_ova
from tests.lab.vcenter.fixture import why_not
from tests.steps.images.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture
def ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sessions each step lost as soon as it had found its place."""
    count = list[int]()

    def found(*words: Any, **more: Any) -> Site:
        site = inventory.locate(*words, **more)
        count.append(lab.end_sessions())
        return site

    monkeypatch.setattr("steps.vcenter.locate", found)
    return count


TYPING = "boot_wait: 0s\nboot_command: abc\nboot_keygroup_interval: 1ms\nfloppy_files: [ks.cfg]\ntags: [golden]\n"


def test_a_vm_is_made_and_noticed_again(lab: Lab, ended: list[int]) -> None:
    plan = lab.plan()
    made = lab.made(plan)
    assert lab.made(plan) == made and lab.seen(made).name == lab.name
    assert ended == [1, 1]


@pytest.mark.parametrize(
    "step",
    [type_boot_command, detach_media, take_snapshot, convert_to_template, put_in_place],
    ids=lambda step: str(step.__name__).rpartition(".")[2],
)
def test_a_step_goes_on(lab: Lab, ended: list[int], step: ModuleType) -> None:
    (lab.folder / "ks.cfg").write_text("text")
    plan = lab.plan(TYPING)
    made = str(lab.do(create_vm, plan, iso="").vm)
    ended.clear()
    lab.do(step, plan, vm=made)
    assert ended == [1]
    if step is type_boot_command:
        assert lab.vc.keys(lab.name) == ["a", "b", "c"]


def test_an_export_goes_on(lab: Lab, plan: AppliancePlan, ended: list[int]) -> None:
    made = lab.do(clone_vm, plan).vm
    assert lab.do(export_ova, plan, vm=made).size_bytes > 0
    assert ended == [1, 1] and lab.leases() == []


def test_who_waits_goes_on_waiting(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = lab.plan("ip_wait_timeout: 2s\n")
    made = lab.made(plan)
    waits, ends = threading.Event(), list[int]()
    changed = properties._changed

    def noted(collector: Any, version: str, within_s: float) -> str | None:
        if version:  # the first answer tells what is there already
            waits.set()
        return changed(collector, version, within_s)

    def end() -> None:
        wait_until(waits.is_set, what="-", where="-", hint="-", timeout_s=30, every_s=0.02)
        ends.append(lab.end_sessions())

    monkeypatch.setattr(properties, "_changed", noted)
    ender = threading.Thread(target=end)
    ender.start()
    with pytest.raises(TimedOut, match="an address of the guest"):
        lab.do(wait_for_guest, plan, vm=made)
    ender.join()
    assert ends == [1]
