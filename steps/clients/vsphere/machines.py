"""Virtual machines: made, found again by their mark, changed, and removed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyVmomi import vim

from steps.clients.vsphere import devices
from steps.clients.vsphere.connection import VSphere
from steps.clients.vsphere.inventory import Site, children, network
from steps.clients.vsphere.properties import finish, read, read_below, wait_for
from steps.domain.errors import Conflict, NotFound, Unsupported
from steps.domain.image.plan import Base, Machine, Resources
from steps.domain.image.vm import MARK_NAME, MARK_RUN, NOTES, Mark, Note, Origin, VmSeen
from steps.domain.ovf import Hardware

Power = Literal["on", "off", "suspended"]
POWER: dict[str, Power] = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended"}
SEEN = (
    "name",
    "config.uuid",
    "config.instanceUuid",
    "config.template",
    "config.extraConfig",
    "config.files.vmPathName",
    "runtime.powerState",
    "snapshot",
)
HARDWARE = (
    "config.hardware.device",
    "config.hardware.numCPU",
    "config.hardware.numCoresPerSocket",
    "config.hardware.memoryMB",
    "config.memoryAllocation.reservation",
    "config.version",
    "config.firmware",
    "config.bootOptions.efiSecureBootEnabled",
)


@dataclass(frozen=True)
class Vm:
    """One VM of a vCenter."""

    vsphere: VSphere
    moid: str

    @property
    def object(self) -> Any:
        return self.vsphere.vm(self.moid)

    @property
    def where(self) -> str:
        return f"VM {self.moid} at {self.vsphere.where}"

    def look(self) -> VmSeen:
        """What it is now; NotFound if it is not there any more."""
        return _seen(self.moid, read(self.vsphere, self.object, *SEEN))

    def finish(self, task: Any, *, timeout_s: float = 3600, tell: Callable[[int], None] = lambda _: None) -> Any:
        """The result of a task of it."""
        return finish(self.vsphere, task, where=self.where, timeout_s=timeout_s, tell=tell)

    def power_on(self) -> None:
        self.finish(self.object.PowerOn())

    def power_off(self) -> None:
        self.finish(self.object.PowerOff())

    def reset(self) -> None:
        self.finish(self.object.Reset())

    def shut_down_guest(self) -> None:
        """Ask VMware Tools to; it takes its time afterwards. Unsupported if they do not run."""
        try:
            self.object.ShutdownGuest()
        except vim.fault.ToolsUnavailable as fault:
            hint = "start them in the image (open-vm-tools), or give shutdown_command"
            raise Unsupported("VMware Tools do not run in the guest", where=self.where, hint=hint) from fault

    def wait_until_off(self, timeout_s: float, *, what: str) -> None:
        """Return when the VM is off; TimedOut, naming what was waited for."""
        wait_for(
            self.vsphere,
            self.object,
            ["runtime.powerState"],
            lambda values: values["runtime.powerState"] == "poweredOff" or None,
            timeout_s=timeout_s,
            what=what,
            where=self.where,
            hint="look at its console",
        )

    def destroy(self) -> None:
        """Remove it with its disks; it must be off."""
        self.finish(self.object.Destroy())

    def rename(self, name: str) -> None:
        self.finish(self.object.Rename(newName=name))

    def reconfigure(self, **changes: Any) -> None:
        self.finish(self.object.Reconfigure(spec=vim.vm.ConfigSpec(**changes)))

    def mark(self, mark: Mark) -> None:
        """From now on it is found by this mark."""
        self.reconfigure(extraConfig=extra_config(mark.extra_config))

    def note(self, notes: Mapping[Note, str]) -> None:
        """Keep what a step has done, for one that comes after it died; "" takes a note away."""
        keys = {note: key for key, note in NOTES.items()}
        self.reconfigure(extraConfig=extra_config({keys[note]: text for note, text in notes.items()}))

    def snapshot(self, name: str, description: str) -> str:
        """Make a snapshot without memory, and return its id."""
        task = self.object.CreateSnapshot(name=name, description=description, memory=False, quiesce=False)
        return str(self.finish(task)._moId)

    def snapshots(self) -> dict[str, str]:
        """The id of each snapshot by its name; of several with one name the newest."""
        tree = read(self.vsphere, self.object, "snapshot.rootSnapshotList")["snapshot.rootSnapshotList"] or []
        found: dict[str, str] = {}
        while tree:
            found |= {each.name: each.snapshot._moId for each in tree}
            tree = [child for each in tree for child in each.childSnapshotList or []]
        return found

    def current_snapshot(self) -> str:
        """The id of the snapshot it stands on; "" without any."""
        current = read(self.vsphere, self.object, "snapshot.currentSnapshot")["snapshot.currentSnapshot"]
        return str(current._moId) if current is not None else ""

    def make_template(self) -> None:
        self.object.MarkAsTemplate()

    def hardware(self) -> Hardware:
        """Its hardware as it is built."""
        values = read(self.vsphere, self.object, *HARDWARE)
        return devices.hardware_of(values, self._network_name)

    def guest_id(self) -> str:
        """What system it is for, by vSphere's id."""
        return str(read(self.vsphere, self.object, "config.guestId")["config.guestId"])

    def devices(self) -> list[Any]:
        return list(read(self.vsphere, self.object, "config.hardware.device")["config.hardware.device"])

    def resize(self, wanted: Resources) -> None:
        """Give it the resources that are said, as far as it has others."""
        has = self.hardware()
        said = {
            "numCPUs": (wanted.cpus, has.cpus),
            "numCoresPerSocket": (wanted.cores_per_socket, has.cores_per_socket),
            "memoryMB": (wanted.memory_mib, has.memory_mib),
        }
        changes: dict[str, Any] = {key: new for key, (new, old) in said.items() if new and new != old}
        if wanted.first_disk_mib and wanted.first_disk_mib << 20 != has.ordered_disks[0].capacity_bytes:
            disk = next(each for each in self.devices() if str(each.key) == has.ordered_disks[0].id)
            if wanted.first_disk_mib * 1024 < disk.capacityInKB:
                what = f"its first disk has {disk.capacityInKB // 1024} MiB, {wanted.first_disk_mib} are less"
                raise Conflict(what, where=self.where, hint="a disk only grows: correct disk_size")
            disk.capacityInKB = wanted.first_disk_mib * 1024
            disk.capacityInBytes = wanted.first_disk_mib * 2**20  # which counts where both are given
            changes["deviceChange"] = [devices.edited(disk)]
        if changes:
            self.reconfigure(**changes)

    def set_video(self, kib: int) -> None:
        """Give its video card so much memory; a VM has one by itself, which cannot be described when it is made."""
        card = next((each for each in self.devices() if isinstance(each, vim.vm.device.VirtualVideoCard)), None)
        if card is not None and kib and card.videoRamSizeInKB != kib:
            card.videoRamSizeInKB = kib
            self.reconfigure(deviceChange=[devices.edited(card)])

    def set_attribute(self, name: str, value: str) -> None:
        """A custom attribute, which is made if it does not exist."""
        manager = self.vsphere.content.customFieldsManager
        fields = read(self.vsphere, manager, "field")["field"] or []
        key = next((each.key for each in fields if each.name == name), None)
        if key is None:
            key = manager.AddCustomFieldDef(name=name, moType=vim.VirtualMachine).key
        manager.SetField(entity=self.object, key=key, value=value)

    def _network_name(self, backing: Any) -> str:
        network_object = getattr(backing, "network", None)
        if network_object is not None:
            return str(read(self.vsphere, network_object, "name")["name"])
        port = getattr(backing, "port", None)
        if port is not None:
            group = self.vsphere.object(vim.dvs.DistributedVirtualPortgroup, port.portgroupKey)
            return str(read(self.vsphere, group, "name")["name"])
        return str(getattr(backing, "deviceName", "") or "network")


def create(
    site: Site, name: str, machine: Machine, mark: Mark, origin: Origin, *, media: Sequence[str], floppy: str = "",
    tell: Callable[[int], None] = lambda _: None,
) -> Vm:  # fmt: skip
    """Make the VM, marked, and return it; Conflict if there is something of that name."""
    hardware = machine.hardware
    networks = {nic.network: _network(site, nic.network) for nic in hardware.nics}
    spec = vim.vm.ConfigSpec(
        name=name,
        guestId=machine.guest_id,
        version=hardware.version,
        firmware="bios" if hardware.firmware == "bios" else "efi",
        numCPUs=hardware.cpus,
        numCoresPerSocket=hardware.cores_per_socket,
        memoryMB=hardware.memory_mib,
        memoryReservationLockedToMax=bool(hardware.memory_reserved_mib),
        annotation=machine.notes,
        cpuHotAddEnabled=machine.cpu_hot_add,
        memoryHotAddEnabled=machine.memory_hot_add,
        nestedHVEnabled=machine.nested_hv,
        files=vim.vm.FileInfo(vmPathName=f"[{site.datastore_name}]"),
        deviceChange=devices.changes(machine, networks, media, floppy),
        extraConfig=extra_config({**machine.extra_config, **mark.extra_config, **origin.extra_config}),
        bootOptions=vim.vm.BootOptions(efiSecureBootEnabled=hardware.firmware == "efi-secure"),
    )
    task = site.folder.CreateVm(config=spec, pool=site.pool, host=site.host)
    made = Vm(site.vsphere, finish(site.vsphere, task, where=f"VM {name} at {site.vsphere.where}", tell=tell)._moId)
    made.set_video(hardware.video_kib)
    return made


def named(site: Site, name: str) -> Vm | None:
    """The VM or template of this name in the place's folder."""
    found = children(site).get(name)
    return Vm(site.vsphere, found._moId) if isinstance(found, vim.VirtualMachine) else None


def anywhere(site: Site, name: str) -> Vm:
    """The VM or template of this name in the datacenter; NotFound, or Conflict if there are several."""
    found = read_below(site.vsphere, vim.VirtualMachine, site.datacenter, "name")
    fitting = [each for each, values in found if values["name"] == name]
    if not fitting:
        raise NotFound(f"there is no VM {name!r}", where=site.vsphere.where, hint="build the base image first")
    if len(fitting) > 1:
        raise Conflict(f"there are {len(fitting)} VMs {name!r}", where=site.vsphere.where, hint="rename the others")
    return Vm(site.vsphere, fitting[0]._moId)


def snapshot_of(source: Vm, base: Base) -> str:
    """The id of the snapshot that a clone is made of; "" for the VM as it is. NotFound if there is none, and what is"""
    known = source.snapshots() if base.snapshot else {}
    if base.snapshot and base.snapshot not in known:
        hint = "it has: " + (", ".join(known) or "none")
        raise NotFound(f"{base.vm} has no snapshot {base.snapshot!r}", where=source.vsphere.where, hint=hint)
    found = known[base.snapshot] if base.snapshot else source.current_snapshot() if base.linked else ""
    if base.linked and not found:
        hint = "create_snapshot: true when it is built, or linked_clone: false"
        raise NotFound(f"{base.vm} has no snapshot to link to", where=source.vsphere.where, hint=hint)
    return found


def own(site: Site, mark: Mark) -> VmSeen | None:
    """The VM that carries this mark."""
    return next((each for each in marked(site, mark.run) if each.mark == mark), None)


def marked(site: Site, run: str) -> list[VmSeen]:
    """The VMs of the datacenter that this run made."""
    found = read_below(site.vsphere, vim.VirtualMachine, site.datacenter, *SEEN)
    seen = [_seen(each._moId, values) for each, values in found]
    return [each for each in seen if each.mark is not None and each.mark.run == run]


def clone(
    site: Site, source: Vm, name: str, mark: Mark, *, snapshot: str, linked: bool,
    properties: Mapping[str, str], tell: Callable[[int], None] = lambda _: None,
) -> Vm:  # fmt: skip
    """Make a clone of this VM, marked, and return it. snapshot: id of the one it is made of; "" for the VM as it is"""
    move = "createNewChildDiskBacking" if linked else "moveAllDiskBackingsAndDisallowSharing"
    where = vim.vm.RelocateSpec(datastore=site.datastore, pool=site.pool, host=site.host, diskMoveType=move)
    of_base = dict.fromkeys(NOTES, "")  # what was done in the base's own run says nothing of this one
    origin = source.look().origin.extra_config
    config = vim.vm.ConfigSpec(extraConfig=extra_config({**of_base, **origin, **mark.extra_config}))
    if properties:
        config.vAppConfig = _vapp(site.vsphere, source, properties)
    spec = vim.vm.CloneSpec(location=where, powerOn=False, template=False, config=config)
    if snapshot:
        spec.snapshot = site.vsphere.object(vim.vm.Snapshot, snapshot)
    task = source.object.Clone(folder=site.folder, name=name, spec=spec)
    made = finish(site.vsphere, task, where=f"VM {name} at {site.vsphere.where}", tell=tell)
    result = Vm(site.vsphere, made._moId)
    seen = result.look()
    if seen.mark != mark:  # a vCenter may leave out the configuration of a clone
        result.reconfigure(extraConfig=extra_config({**origin, **mark.extra_config}))
    if seen.notes:
        result.note(dict.fromkeys(seen.notes, ""))
    return result


def _network(site: Site, name: str) -> Any:
    found = network(site, name)
    if not isinstance(found, vim.dvs.DistributedVirtualPortgroup):
        return found
    values = read(site.vsphere, found, "key", "config.distributedVirtualSwitch")
    switch = read(site.vsphere, values["config.distributedVirtualSwitch"], "uuid")
    return switch["uuid"], values["key"]


def _vapp(vsphere: VSphere, source: Vm, properties: Mapping[str, str]) -> Any:
    """Values of OVF properties; NotFound for one that the source does not have."""
    known = read(vsphere, source.object, "config.vAppConfig.property")["config.vAppConfig.property"] or []
    by_id = {each.id: each for each in known}
    if missing := [each for each in properties if each not in by_id]:
        hint = "it has: " + (", ".join(by_id) or "none")
        raise NotFound(f"there is no OVF property {', '.join(missing)}", where=source.where, hint=hint)
    changes = []
    for name, value in properties.items():
        by_id[name].value = value
        changes.append(vim.vApp.PropertySpec(operation="edit", info=by_id[name]))
    return vim.vApp.VmConfigSpec(property=changes)


def extra_config(values: Mapping[str, str]) -> list[Any]:
    """Values of a VM's extra configuration; an empty one takes the key away."""
    return [vim.option.OptionValue(key=key, value=value) for key, value in values.items()]


def _seen(moid: str, values: Mapping[str, Any]) -> VmSeen:
    extra = {each.key: str(each.value) for each in values["config.extraConfig"] or []}
    run = extra.get(MARK_RUN, "")
    return VmSeen(
        moid=moid,
        name=str(values["name"] or ""),
        uuid=str(values["config.uuid"] or ""),
        power=POWER[values["runtime.powerState"] or "poweredOff"],
        is_template=bool(values["config.template"]),
        path=str(values["config.files.vmPathName"] or ""),
        has_snapshots=values["snapshot"] is not None,
        mark=Mark(run=run, name=extra.get(MARK_NAME, "")) if run else None,
        notes={note: extra[key] for key, note in NOTES.items() if extra.get(key)},
        origin=Origin.of(extra),
    )
