"""Afterwards the VM is on and its boot command was typed, whole and exactly once since it started."""

from typing import Literal

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.vsphere import console
from steps.clients.vsphere.machines import Vm
from steps.domain import bootcommand
from steps.domain.bootcommand import Batch
from steps.domain.errors import Unavailable
from steps.domain.image.plan import BuildPlan
from steps.domain.media import http_values
from steps.domain.wait import SYSTEM_CLOCK, Clock
from steps.vcenter import VmInput, work_on

TRIES = 3


class Input(VmInput):
    plan: BuildPlan
    pages: str = ""


class Output(StepOutput):
    action: Literal["typed", "was typed already"]
    evidence: str


@runtime.step()
def type_boot_command(given: Input) -> Output:
    batches = _batches(given)
    keys = sum(len(batch.events) for batch in batches)
    with work_on(given) as work:
        if work.vm.look().notes.get("typed"):
            runtime.progress(100, "the boot command was typed already")
            return Output(action="was typed already", evidence="typed by this run before")
        _type(work.vm, batches, given.plan.boot.wait_s, SYSTEM_CLOCK)
        work.vm.note({"typed": given.run})
    evidence = (
        f"{keys} keys typed in {bootcommand.duration_s(batches):.1f} s" if keys else "powered on; nothing to type"
    )
    runtime.progress(100, evidence)
    return Output(action="typed", evidence=evidence)


def _batches(given: Input) -> tuple[Batch, ...]:
    boot = given.plan.boot
    values = {"Name": given.plan.name}
    if given.pages:
        values["HTTPIP"], values["HTTPPort"] = http_values(given.pages)
    lines = [bootcommand.fill(line, values) for line in boot.command]
    pace = bootcommand.Pace(batch_size=boot.batch_size, interval_s=boot.interval_s)
    return bootcommand.batches(bootcommand.parse(lines), pace)


def _type(vm: Vm, batches: tuple[Batch, ...], wait_s: float, clock: Clock) -> None:
    """Type from the start of the machine, and after a fault once more from there: nobody knows which keys arrived."""
    for attempt in range(1, TRIES + 1):
        if vm.look().power == "on":
            runtime.say("the VM is reset, to type from its start")
            vm.reset()
        else:
            vm.power_on()
        runtime.progress(5, f"powered on, waiting {wait_s:g} s for the boot prompt")
        clock.sleep(wait_s if batches else 0)
        try:
            _press_all(vm, batches, clock)
            return
        except Unavailable as error:
            if attempt == TRIES:
                raise
            runtime.say(f"typing failed: {error.what}")


def _press_all(vm: Vm, batches: tuple[Batch, ...], clock: Clock) -> None:
    due_s = clock.now()
    for number, batch in enumerate(batches, 1):
        if batch.events:
            console.press(vm, batch)
        due_s = max(due_s, clock.now() - batch.pause_s) + batch.pause_s  # the call's own time is part of the pause
        clock.sleep(max(0.0, due_s - clock.now()))
        runtime.progress(5 + 90 * number // len(batches), "typing the boot command")
