"""Afterwards what the guest does not use of its disks is zeros, which an export leaves out."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.errors import VerifyFailed
from steps.domain.image.guest_commands import order_of
from steps.vcenter import VmInput, guest_at, password_of, work_on

ZEROING_WITHIN_S = 7200.0
SCRIPT = rb"""#!/bin/sh
# Fills the free space of every local file system with zeros and gives it back; swap is made anew under its old names.
set -u
grep -E '^/dev/[^ ]+ [^ ]+ (ext[234]|xfs|btrfs) (rw,|rw )' /proc/mounts | while read -r device place kind _; do
    echo "zeroing the free space of $place"
    zeros="$place/.zeros-$$"
    dd if=/dev/zero of="$zeros" bs=1048576 2>/dev/null
    sync
    rm -f "$zeros"
    sync
    fstrim "$place" 2>/dev/null || true
done
tail -n +2 /proc/swaps | while read -r device kind _; do
    [ "$kind" = partition ] || continue
    uuid=$(blkid -s UUID -o value "$device" 2>/dev/null)
    label=$(blkid -s LABEL -o value "$device" 2>/dev/null)
    swapoff "$device" || continue
    echo "zeroing $device"
    dd if=/dev/zero of="$device" bs=1048576 2>/dev/null
    mkswap ${uuid:+-U "$uuid"} ${label:+-L "$label"} "$device" >/dev/null && swapon "$device"
done
sync
"""


class Input(VmInput):
    address: str


class Output(StepOutput):
    evidence: str


@runtime.step()
def shrink_disk(given: Input) -> Output:
    guest = given.plan.guest
    if guest.login is None or not guest.shrink:
        runtime.progress(100, "the settings want no shrinking")
        return Output(evidence="the settings want no shrinking")
    order = order_of(guest.login.username, SCRIPT, sudo=True, environment={})
    with work_on(given), guest_at(guest.login, given.address) as inside:
        runtime.progress(5, "zeroing free space")
        code = inside.execute(order, password=password_of(guest.login), timeout_s=ZEROING_WITHIN_S, line=runtime.say)
        if code:
            hint = "look at the log; or shrink: false"
            raise VerifyFailed(f"zeroing free space ended with {code}", where=inside.where, hint=hint)
    runtime.progress(100, "the free space of the disks is zeros")
    return Output(evidence="the free space of the disks is zeros")
