"""Afterwards the VM is off: its system has shut down by itself."""

from contextlib import suppress

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import Unavailable
from steps.domain.image.guest_commands import order_of
from steps.domain.image.plan import Guest
from steps.vcenter import VmInput, guest_at, password_of, work_on

COMMAND_WITHIN_S = 60.0


class Input(VmInput):
    address: str


class Output(StepOutput):
    evidence: str


@runtime.step()
def shut_down_vm(given: Input) -> Output:
    guest = given.plan.guest
    with work_on(given) as work:
        if work.vm.look().power == "off":
            runtime.progress(100, "the VM is off already")
            return Output(evidence="the VM was off already")
        evidence = _ask(work.vm, guest, given.address)
        runtime.progress(50, evidence)
        work.vm.wait_until_off(guest.shutdown.timeout_s, what="the guest's shutdown")
    runtime.progress(100, f"off: {evidence}")
    return Output(evidence=f"off: {evidence}")


def _ask(vm: Vm, guest: Guest, address: str) -> str:
    """Ask the guest to shut down: by the settings' command, or by VMware Tools."""
    command, login = guest.shutdown.command, guest.login
    if not command or login is None:
        vm.shut_down_guest()
        return "VMware Tools were asked to shut down"
    order = order_of(login.username, f"#!/bin/sh\n{command}\n".encode(), sudo=False, environment={})
    with guest_at(login, address) as inside, suppress(Unavailable):  # the connection may end with the system
        code = inside.execute(order, password=password_of(login), timeout_s=COMMAND_WITHIN_S, line=runtime.say)
        runtime.say(f"{command} ended with {code}")
    return f"ran {command}"
