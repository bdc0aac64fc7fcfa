"""Afterwards the VM's OVA is whole in each place of its plan; the disks pass through this step and are not kept here.

Lease and writing are one step: two pods would mean a second copy of every disk.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.vsphere import leases
from steps.clients.vsphere.leases import Lease
from steps.clients.vsphere.machines import Vm
from steps.domain.errors import Unavailable
from steps.domain.image import bundle
from steps.domain.image.plan import AppliancePlan, Export
from steps.domain.ova import OvaWriter, WrittenOva, most_bytes
from steps.domain.ovf import Appliance, Hardware, Network, OperatingSystem
from steps.domain.wait import wait_until
from steps.export import targets
from steps.vcenter import VmInput, work_on

OLD_LEASE_ENDS_WITHIN_S = 420.0  # vCenter's own patience with an export that died is five minutes
TELL_EVERY_S = 2.0


class Input(VmInput):
    plan: AppliancePlan


class Output(StepOutput):
    size_bytes: int
    evidence: str


@runtime.step()
def export_ova(given: Input) -> Output:
    """size_bytes: 0 if the settings want no OVA"""
    export = given.plan.export
    if export is None:
        runtime.progress(100, "the settings want no OVA")
        return Output(size_bytes=0, evidence="the settings want no OVA")
    with work_on(given) as work:
        hardware = work.vm.hardware()
        appliance = _appliance(given, export, hardware, work.vm.guest_id())
        started = time.monotonic()
        with targets.written(given.plan, given.run, most_bytes(appliance)) as target:
            written = _write(work.vm, hardware, OvaWriter(target, appliance))
    for note in written.notes:
        runtime.say(note)
    seconds = time.monotonic() - started
    evidence = f"{export.name}.ova of {written.size_bytes / 2**20:.1f} MiB in {seconds:.1f} s"
    runtime.progress(100, evidence)
    return Output(size_bytes=written.size_bytes, evidence=evidence)


def _appliance(given: Input, export: Export, hardware: Hardware, guest_id: str) -> Appliance:
    names = dict.fromkeys(nic.network for nic in hardware.nics)
    return Appliance(
        name=export.name,
        networks=tuple(Network(name=name) for name in names),
        hardware=hardware,
        operating_system=OperatingSystem(guest_id=guest_id, description=given.plan.facts.os_name),
        product=export.product,
        annotation=export.annotation,
        eulas=tuple(_eulas(given, export)),
    )


def _eulas(given: Input, export: Export) -> Iterator[str]:
    for name in export.eulas:
        with runtime.media_at(given) as media, media.bundle(export.bundle) as packed:
            yield from (each.content.decode() for each in bundle.unpack(packed, name))


def _write(vm: Vm, hardware: Hardware, writer: OvaWriter) -> WrittenOva:
    done_bytes, told_s = 0, 0.0
    with _lease(vm, hardware) as lease:
        for number, disk in enumerate(lease.disks):
            with writer.disk(disk) as out, lease.stream(disk) as chunks:
                for chunk in chunks:
                    out.write(chunk)
                    done_bytes += len(chunk)
                    if time.monotonic() - told_s > TELL_EVERY_S:
                        told_s = time.monotonic()
                        runtime.progress(lease.heart.percent, f"disk {number + 1}: {done_bytes >> 20} MiB")
            lease.heart.percent = min(99, 100 * (number + 1) // len(lease.disks))
    return writer.finish()


@contextmanager
def _lease(vm: Vm, hardware: Hardware) -> Iterator[Lease]:
    """A lease, once an earlier one of this VM has ended: of this step, when it died."""
    with ExitStack() as stack:

        def opened() -> Lease | None:
            try:
                return stack.enter_context(leases.exporting(vm, hardware))
            except Unavailable as error:
                runtime.say(f"{error.what}: waiting for its end")
                return None

        yield wait_until(
            opened,
            what="the end of another export",
            where=vm.where,
            hint="look at vCenter's tasks of this VM",
            timeout_s=OLD_LEASE_ENDS_WITHIN_S,
            every_s=5.0,
        )
