"""What a build of an image would do, for people."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.image.plan import AppliancePlan, BuildPlan, Guest, OnError, Place, digest_of
from steps.domain.image.planning import Choices
from workflows.cli.tables import columns
from workflows.desk_secrets import Engine
from workflows.image_order import ImageOrder, image_order, release_order

GIB, MIB = 2**30, 2**20
RELEASED = ("image", "appliance")

Row = tuple[str, str]


@dataclass(frozen=True)
class Building:
    """How an image is to be built, as the options of a command say. Each field is one of them."""

    force: Annotated[bool, typer.Option("--force", help="replace a VM of this name, once the new one stands")] = False
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="what becomes of the VM when a build fails: keep it for a look?")
    ] = "cleanup"
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="of a release: settings of its base image, besides those of -f"),
    ] = None
    appliance: Annotated[
        list[Path] | None,
        typer.Option(
            "--appliance", metavar="FILE", help="of a release: settings of its appliance, besides those of -f"
        ),
    ] = None

    @property
    def is_said(self) -> bool:
        """Whether any of them was given."""
        return self != Building()


def order_for(workflow: str, files: Sequence[Path], building: Building, engine: Engine) -> ImageOrder:
    """The build that these options and settings mean; ConfigError with every fault of the settings."""
    choices, image, appliance = Choices(building.on_error, building.force), building.image, building.appliance
    if workflow == "release":
        if not image or not appliance:
            raise typer.BadParameter("release needs settings for both", param_hint="--image FILE, --appliance FILE")
        return release_order([*files, *image], [*files, *appliance], choices, engine=engine)
    if image or appliance:
        raise typer.BadParameter(
            f"{workflow} builds one thing: its settings are -f's", param_hint="--image, --appliance"
        )
    if not files:
        raise typer.BadParameter(f"{workflow} needs its settings", param_hint="-f FILE")
    return image_order(workflow, files, choices, engine=engine)


def show_image_plan(order: ImageOrder, *, as_json: bool) -> None:
    """Print the plan; what is to be known of the settings goes to stderr."""
    tell_notes(order)
    plans = [part.plan for part in order.parts]
    if as_json:
        dumped = [plan.model_dump(mode="json") for plan in plans]
        print(json.dumps(dumped[0] if len(dumped) == 1 else dict(zip(RELEASED, dumped, strict=True)), indent=2))
        return
    print("\n\n".join(_text(plan) for plan in plans))
    for plan in plans:
        print(f"plan {digest_of(plan)}", file=sys.stderr)


def tell_image_plan(order: ImageOrder) -> None:
    """The plan and its notes on stderr, before it is run."""
    tell_notes(order)
    print("\n\n".join(_text(part.plan) for part in order.parts), file=sys.stderr)


def tell_notes(order: ImageOrder) -> None:
    """What is to be known of the settings, and is no fault."""
    for note in dict.fromkeys(str(note) for part in order.parts for note in part.desk.notes):
        print(note, file=sys.stderr)


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
