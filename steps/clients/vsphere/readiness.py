"""Whether a place has what a build asks of it: everything that is missing at once, before anything is made."""

from collections.abc import Callable, Iterator
from typing import Any

from pyVmomi import vim

from steps.clients.vsphere import files, library, machines
from steps.clients.vsphere.faults import translated
from steps.clients.vsphere.inventory import Site, network
from steps.clients.vsphere.properties import read
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unsupported
from steps.domain.image.plan import AppliancePlan, BuildPlan
from steps.domain.image.privileges import NEEDED, On
from steps.domain.image.vm import Mark, decide_create


def shortcomings(site: Site, plan: BuildPlan | AppliancePlan, run: str, builds: str = "") -> list[HerasphereError]:
    """What is missing for this plan; empty if nothing is.

    run: whose own VM may be there already; builds: name of a base image that need not be there, as the run makes it
    """
    networks = [nic.network for nic in plan.machine.hardware.nics] if isinstance(plan, BuildPlan) else []
    looks: list[Callable[[], Iterator[HerasphereError]]] = [
        lambda: _name(site, plan, run),
        lambda: lacking(site, networks),
        lambda: _appliance(site, plan, builds) if isinstance(plan, AppliancePlan) else _machine(site, plan),
    ]
    found: list[HerasphereError] = []
    for look in looks:
        try:
            with translated(site.vsphere.where):
                found += look()
        except HerasphereError as error:
            found.append(error)
    return found


def lacking(site: Site, networks: list[str]) -> Iterator[HerasphereError]:
    """An error for each object on which the user lacks privileges of the documented set."""
    manager, sessions = site.vsphere.content.authorizationManager, site.vsphere.content.sessionManager
    session = read(site.vsphere, sessions, "currentSession")["currentSession"]
    for on, entity, name in _entities(site, networks):
        answer = manager.HasPrivilegeOnEntities(entity=[entity], sessionId=session.key, privId=list(NEEDED[on]))
        missing = [each.privId for each in answer[0].privAvailability if not each.isGranted]
        if missing:
            hint = "see docs/image-privileges.md"
            what = f"{session.userName} lacks {', '.join(missing)} on the {on} {name}"
            yield AccessDenied(what, where=site.vsphere.where, hint=hint)


def _entities(site: Site, networks: list[str]) -> Iterator[tuple[On, Any, str]]:
    folder = site.folder or read(site.vsphere, site.datacenter, "vmFolder")["vmFolder"]
    yield "VM folder", folder, str(read(site.vsphere, folder, "name")["name"])
    yield "datastore", site.datastore, site.datastore_name
    yield "resource pool", site.pool, str(read(site.vsphere, site.pool, "name")["name"])
    for name in dict.fromkeys(networks):
        yield "network", network(site, name), name


def _name(site: Site, plan: BuildPlan | AppliancePlan, run: str) -> Iterator[HerasphereError]:
    there = machines.named(site, plan.name)
    own = machines.own(site, Mark(run=run, name=plan.name))
    try:
        decide_create(plan.name, own, there.look() if there else None, force=plan.force)
    except Conflict as error:
        yield error


def _machine(site: Site, plan: BuildPlan) -> Iterator[HerasphereError]:
    """The guest is known to the hosts, the ISO is there, and thick disks have room."""
    yield from _guest(site, plan.machine.guest_id, plan.machine.hardware.version)
    path = plan.iso.datastore_path
    if path and files.size_bytes(site, files.file_of(site, path)) is None:
        yield NotFound(f"there is no {path}", where=site.vsphere.where, hint="correct iso_path, or give iso_url")
    disks = zip(plan.machine.hardware.disks, plan.machine.provisioning, strict=True)
    wanted = sum(disk.capacity_bytes for disk, kind in disks if kind != "thin")
    free = files.free_bytes(site)
    if wanted > free:
        what = f"the disks take {wanted >> 20} MiB, {site.datastore_name} has {free >> 20} free"
        yield Conflict(what, where=site.vsphere.where, hint="make room, name another datastore, or thin disks")


def _guest(site: Site, guest_id: str, version: str) -> Iterator[HerasphereError]:
    browser = read(site.vsphere, site.environment, "environmentBrowser")["environmentBrowser"]
    spec = vim.EnvironmentBrowser.ConfigOptionQuerySpec(key=version, guestId=[guest_id])
    try:
        option = browser.QueryConfigOptionEx(spec=spec)
    except (vim.fault.VimFault, HerasphereError):
        option = None  # an old vCenter, or an answer that pyvmomi does not know: creating the VM will tell
    if option is not None and guest_id not in [each.id for each in option.guestOSDescriptor or []]:
        hint = "another vmx_version, or the id of an older release of that system"
        what = f"the hosts do not know {guest_id} with {version}"
        yield Unsupported(what, where=site.vsphere.where, hint=hint)


def _appliance(site: Site, plan: AppliancePlan, builds: str) -> Iterator[HerasphereError]:
    """What it is made of is there, and so is the library that its OVA goes to."""
    base, looks = plan.base, list[Callable[[], object]]()
    if base.vm not in ("", builds):
        looks.append(lambda: machines.snapshot_of(machines.anywhere(site, base.vm), base))
    if base.library_item:
        looks.append(lambda: library.item(site.vsphere, base.library_item))
    if plan.export and (shelf := plan.export.library):
        looks.append(lambda: library.must_be_there(site.vsphere, shelf.name))
    for look in looks:
        try:
            look()
        except HerasphereError as error:
            yield error
