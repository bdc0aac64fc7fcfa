"""Afterwards what the guest does not use of its disks is zeros, which an export leaves out; k3s stands still."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.errors import VerifyFailed
from steps.domain.image.guest_commands import order_of
from steps.domain.image.shrink import SCRIPT, Shrunk
from steps.vcenter import VmInput, guest_at, password_of, work_on

ZEROING_WITHIN_S = 7200.0


class Input(VmInput):
    address: str


class Output(StepOutput):
    before_kib: int
    after_kib: int
    evidence: str


@runtime.step()
def shrink_disk(given: Input) -> Output:
    """before_kib, after_kib: what the guest's file systems hold; 0 if nothing was done"""
    guest = given.plan.guest
    if guest.login is None or not guest.shrink:
        runtime.progress(100, "the settings want no shrinking")
        return Output(before_kib=0, after_kib=0, evidence="the settings want no shrinking")
    order = order_of(guest.login.username, SCRIPT, sudo=True, environment={})
    shrunk = Shrunk()

    def tell(line: str) -> None:
        shrunk.take(line)
        runtime.say(line)

    with work_on(given), guest_at(guest.login, given.address) as inside:
        runtime.progress(5, "zeroing free space")
        code = inside.execute(order, password=password_of(guest.login), timeout_s=ZEROING_WITHIN_S, line=tell)
        if code:
            hint = "look at the log; or shrink: false"
            raise VerifyFailed(f"zeroing free space ended with {code}", where=inside.where, hint=hint)
    runtime.progress(100, str(shrunk))
    return Output(before_kib=shrunk.before_kib or 0, after_kib=shrunk.after_kib or 0, evidence=str(shrunk))
