"""What a build of an image would do, for people."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from steps.domain.image.plan import AppliancePlan, BuildPlan, Guest, OnError, Place, digest_of
from workflows.cli.tables import columns
from workflows.image_order import ImageOrder

GIB, MIB = 2**30, 2**20

Force = Annotated[bool, typer.Option("--force", help="replace a VM of this name, once the new one stands")]
OnErrorOption = Annotated[
    OnError, typer.Option("--on-error", help="what becomes of the VM when a build fails: cleanup, or keep for a look")
]
Row = tuple[str, str]


def show_image_plan(order: ImageOrder, *, as_json: bool) -> None:
    """Print the plan; what is to be known of the settings goes to stderr."""
    tell_notes(order)
    if as_json:
        print(order.plan.model_dump_json(indent=2))
        return
    print(_text(order.plan))
    print(f"plan {digest_of(order.plan)}", file=sys.stderr)


def tell_image_plan(order: ImageOrder) -> None:
    """The plan and its notes on stderr, before it is run."""
    tell_notes(order)
    print(_text(order.plan), file=sys.stderr)


def tell_notes(order: ImageOrder) -> None:
    """What is to be known of the settings, and is no fault."""
    for note in order.desk.notes:
        print(f"{note}", file=sys.stderr)


def _text(plan: BuildPlan | AppliancePlan) -> str:
    rows = _build(plan) if isinstance(plan, BuildPlan) else _appliance(plan)
    return columns([row for row in rows if row[1]])


def _build(plan: BuildPlan) -> Iterator[Row]:
    hardware, iso, boot = plan.machine.hardware, plan.iso, plan.boot
    yield "VM", plan.name + (", in the place of one that is there" if plan.force else "")
    yield from _where(plan.vcenter.server, plan.place)
    yield "guest", f"{plan.machine.guest_id}, {hardware.version}, {hardware.firmware}"
    yield "CPU, memory", f"{hardware.cpus} in sockets of {hardware.cores_per_socket}, {hardware.memory_mib} MiB"
    for disk, kind in zip(hardware.disks, plan.machine.provisioning, strict=True):
        yield "disk", f"{disk.capacity_bytes / GIB:g} GiB {kind} at {disk.controller}:{disk.unit}"
    for nic in hardware.nics:
        yield "network", f"{nic.network}, {nic.kind}"
    proof = f"{iso.checksum} {iso.digest[:12]}…" if iso.digest else "unchecked"
    yield "ISO", f"{iso.datastore_path or iso.urls[0]}, {proof}"
    yield "kickstart", ", ".join(_kickstart(plan))
    typed = "".join(boot.command)
    yield "types", f"after {boot.wait_s:g} s: {typed}" if typed else "nothing"
    yield from _guest(plan.guest)
    template = "a template" if plan.finish.template else "a VM"
    yield "leaves", template + (f" with the snapshot {plan.finish.snapshot}" if plan.finish.snapshot else "")
    yield "on failure", "the VM is kept" if plan.on_error == "keep" else "the VM is destroyed"


def _appliance(plan: AppliancePlan) -> Iterator[Row]:
    base, said, export = plan.base, plan.resources, plan.export
    yield "VM", plan.name + (", in the place of one that is there" if plan.force else "")
    yield from _where(plan.vcenter.server, plan.place)
    how = "linked clone" if base.linked else "full clone"
    yield "made of", f"{how} of {base.vm}" if base.vm else base.library_item or base.ova
    yield (
        "CPU, memory",
        ", ".join([f"{said.cpus} CPUs"] * bool(said.cpus) + [f"{said.memory_mib} MiB"] * bool(said.memory_mib)),
    )
    yield from _guest(plan.guest)
    if export is not None:
        yield "OVA", f"{export.name}.ova, {export.product.name} {export.product.version}".rstrip()
        yield "properties", ", ".join(each.key for each in export.product.properties)
        places = [export.folder, f"s3://{export.s3.bucket}/{export.s3.prefix}" if export.s3 else ""]
        library = f"content library {export.library.name}/{export.library.item}" if export.library else ""
        yield "goes to", ", ".join(filter(None, [*places, library]))
    yield "on failure", "the VM is kept" if plan.on_error == "keep" else "the VM is destroyed"


def _where(server: str, place: Place) -> Iterator[Row]:
    yield "vCenter", server
    inventory = [place.datacenter, place.cluster, place.host, place.resource_pool]
    yield "place", "/".join(filter(None, inventory)) + f", folder {place.folder or '/'}, datastore {place.datastore}"


def _kickstart(plan: BuildPlan) -> Iterator[str]:
    given = plan.kickstart
    for how, names in (("floppy", given.floppy), (f"CD {given.cd_label}", given.cd), ("HTTP", (given.http,))):
        yield from (f"{name} by {how}" for name in names if name)


def _guest(guest: Guest) -> Iterator[Row]:
    if guest.login is None:
        yield "login", "nobody logs in"
    else:
        at = guest.login.address or f"the address of VMware Tools in {guest.login.network}"
        yield "login", f"{guest.login.username} by SSH, port {guest.login.port}, {at}"
    uploads = sum(hasattr(step, "upload") for step in guest.steps)
    scripts = len(guest.steps) - uploads
    yield "provisions", f"{uploads} uploads, {scripts} scripts" if guest.steps else ""
    yield "shuts down", guest.shutdown.command or "by VMware Tools"
