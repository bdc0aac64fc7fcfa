"""The vCenter of a step and the VM it is about, with the secrets to speak to them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from steps import runtime
from steps.clients import ssh, vsphere
from steps.clients.vsphere import console
from steps.clients.vsphere.faults import translated
from steps.clients.vsphere.inventory import Site, locate
from steps.clients.vsphere.machines import Vm
from steps.clients.vsphere.readiness import shortcomings
from steps.domain.errors import HerasphereError, Refused
from steps.domain.image.plan import AppliancePlan, BuildPlan, Login
from steps.domain.image.vm import check_own

PICTURE = "console.png"


class PlanInput(runtime.StepInput):
    """What a step of a build is given. plan: what is built"""

    plan: BuildPlan | AppliancePlan


class VmInput(PlanInput):
    """What a step about the build's VM is given. vm: its managed object id"""

    vm: str


@dataclass(frozen=True)
class Work:
    """A VM of this run, and the place it is in."""

    site: Site
    vm: Vm


@contextmanager
def site_of(plan: BuildPlan | AppliancePlan, *, make_folder: bool = True) -> Iterator[Site]:
    """The plan's place in its vCenter, logged in; logged out afterwards."""
    at = plan.vcenter
    with vsphere.connect(
        at.server,
        username=runtime.secret(at.username),
        password=runtime.secret(at.password),
        ca_pem=runtime.secret(at.ca) if at.ca else "",
        insecure=at.insecure,
    ) as made:
        yield locate(made, plan.place, make_folder=make_folder)


def password_of(login: Login) -> str:
    """The password that this login has, also for sudo; empty for one by key alone."""
    return runtime.secret(login.password) if login.password else ""


def credentials_of(login: Login) -> ssh.Credentials:
    """What the SSH client logs in with."""
    key = runtime.secret(login.private_key) if login.private_key else ""
    return ssh.Credentials(login.username, password_of(login), key)


@contextmanager
def guest_at(login: Login, address: str) -> Iterator[ssh.Guest]:
    """The guest, logged in to; the connection is closed afterwards."""
    with ssh.connect(address, login.port, credentials_of(login)) as guest:
        yield guest


@contextmanager
def work_on(given: VmInput) -> Iterator[Work]:
    """The VM, known to be this run's own; Refused if it is not. Where the step fails, the console's picture is kept."""
    with site_of(given.plan) as site:
        vm = Vm(site.vsphere, given.vm)
        check_own(vm.look(), given.run)
        try:
            with translated(vm.where):
                yield Work(site, vm)
        except HerasphereError as error:
            keep_picture(site, vm, error)
            raise


def must_be_ready(plan: BuildPlan | AppliancePlan, run: str, *, builds: str = "") -> None:
    """Raise Refused with everything that the plan's vCenter lacks for it; nothing was made.

    builds: name of a base image that the run itself will make
    """
    with site_of(plan, make_folder=False) as site:
        missing = shortcomings(site, plan, run, builds)
    if len(missing) == 1:
        raise missing[0]
    if missing:
        what = "; ".join(f"{each.what} ({each.hint})" for each in missing)
        raise Refused(what, where=site.vsphere.where, hint="`hera doctor --vcenter` tells the same")


def keep_picture(site: Site, vm: Vm, error: HerasphereError) -> None:
    """Leave what the VM's screen shows as an artifact of this step, if that can be had, and say so in the error."""
    with suppress(HerasphereError):
        if vm.look().power == "on" and runtime.show(PICTURE, console.picture(site, vm)):
            error.hint += f"; {PICTURE} shows its screen"
