"""Afterwards the installed system runs, and somebody can log in to it."""

import time
from typing import Any

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import ssh
from steps.clients.vsphere.machines import Vm
from steps.clients.vsphere.properties import wait_for
from steps.domain.errors import TimedOut
from steps.domain.image.addresses import Settling, chosen
from steps.domain.image.plan import Login
from steps.vcenter import VmInput, Work, credentials_of, work_on

OFF = "off"
LEFT_OFF = 3  # installers end by switching the machine off; more often than that is a machine that does not stay on
PATHS = ("guest.net", "guest.ipAddress", "runtime.powerState")
NO_ADDRESS = "does the image have VMware Tools (open-vm-tools), and the network somebody who gives out addresses?"


class Input(VmInput):
    pass


class Output(StepOutput):
    address: str
    evidence: str


@runtime.step()
def wait_for_guest(given: Input) -> Output:
    """address: empty if nobody logs in"""
    login = given.plan.guest.login
    with work_on(given) as work:
        if login is None:
            _wait_until_off(work.vm, given.plan.guest.shutdown.timeout_s)
            runtime.progress(100, "the installer has switched the VM off")
            return Output(address="", evidence="the installer has switched the VM off")
        if work.vm.look().power != "on":  # an appliance's clone, or a machine that its installer switched off
            work.vm.power_on()
        address = login.address or _address(work, login)
        runtime.progress(60, f"the guest has the address {address}")
        fingerprint = ssh.wait_for_login(
            address, login.port, credentials_of(login), timeout_s=login.timeout_s, told=runtime.say
        )
    evidence = f"{login.username}@{address} logs in, host key {fingerprint}"
    runtime.progress(100, evidence)
    return Output(address=address, evidence=evidence)


def _address(work: Work, login: Login) -> str:
    """The address that VMware Tools tell and that stays; a VM its installer switched off is started again."""
    settling = Settling(login.settle_s)
    end = time.monotonic() + login.address_timeout_s

    def decide(values: dict[str, Any]) -> str | None:
        if values["runtime.powerState"] == "poweredOff":
            return OFF
        told = [each for nic in values["guest.net"] or [] for each in nic.ipAddress or []]
        address = chosen([*told, str(values["guest.ipAddress"] or "")], login.network)
        return settling.see(address, time.monotonic()) or None

    for _ in range(LEFT_OFF):
        found = wait_for(
            work.site.vsphere,
            work.vm.object,
            PATHS,
            decide,
            timeout_s=max(1.0, end - time.monotonic()),
            what="an address of the guest",
            where=work.vm.where,
            hint=NO_ADDRESS,
            look_again_s=max(1.0, login.settle_s),
        )
        if found != OFF:
            return found
        runtime.say("the VM is off: its installer has ended; it is started again")
        work.vm.power_on()
    raise TimedOut(f"it was off {LEFT_OFF} times", where=work.vm.where, hint="look at its log and its kickstart")


def _wait_until_off(vm: Vm, timeout_s: float) -> None:
    vm.wait_until_off(timeout_s, what="the end of the installation")
