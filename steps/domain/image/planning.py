"""From settings to plans: every fault of the settings at once, or what a build will do."""

from dataclasses import dataclass

from steps.domain.bootcommand import Pace
from steps.domain.errors import ConfigError
from steps.domain.image import checks
from steps.domain.image.checks import Checks, Surroundings
from steps.domain.image.export import base, export, facts
from steps.domain.image.keys.guest import UploadEntry
from steps.domain.image.layers import Layers, Note
from steps.domain.image.machine import machine, nics
from steps.domain.image.plan import (
    AppliancePlan,
    Boot,
    BuildPlan,
    Finish,
    Guest,
    Kickstart,
    Login,
    OnError,
    Resources,
    Script,
    Shutdown,
    SitePlan,
    Upload,
)
from steps.domain.image.settings import Settings


@dataclass(frozen=True)
class Choices:
    """What is chosen for one run and stands in no file. version: as `git describe` tells it; empty: not known"""

    on_error: OnError = "cleanup"
    force: bool = False
    version: str = ""


def plan_build(
    settings: Settings, layers: Layers, around: Surroundings, choices: Choices
) -> tuple[BuildPlan, list[Note]]:
    """What building this base image will do, and what is to be known of it; ConfigError with every fault."""
    check = Checks(settings, layers, around)
    name = _name(check)
    vcenter, place, iso = checks.vcenter(check), checks.place(check), checks.iso(check)
    kickstart = _kickstart(check)
    vm = machine(check, cds=2 if kickstart.cd else 1, floppy=bool(kickstart.floppy))
    boot, guest = _boot(check), _guest(check)
    if check.faults or vm is None:
        raise ConfigError(sorted(set(check.faults)))
    plan = BuildPlan(
        name=name,
        vcenter=vcenter,
        place=place,
        machine=vm,
        iso=iso,
        kickstart=kickstart,
        boot=boot,
        guest=guest,
        finish=_finish(settings),
        os_name=settings.os_name,
        on_error=choices.on_error,
        force=choices.force,
    )
    return plan, check.notes


def plan_appliance(
    settings: Settings, layers: Layers, around: Surroundings, choices: Choices
) -> tuple[AppliancePlan, list[Note]]:
    """What building this appliance will do, and what is to be known of it; ConfigError with every fault."""
    check = Checks(settings, layers, around)
    name = _name(check)
    vcenter, place = checks.vcenter(check), checks.place(check)
    made_of, guest = base(check), _guest(check)
    told = facts(settings, name, choices.version)
    exported = export(check, told) if settings.export else None
    if name and made_of.vm == name:
        check.fault("base", f"{name} would be made of itself", "another name, or another base")
    if check.faults:
        raise ConfigError(sorted(set(check.faults)))
    plan = AppliancePlan(
        name=name,
        vcenter=vcenter,
        place=place,
        base=made_of,
        network=(settings.network or "") if made_of.ova else "",
        resources=_resources(check, linked=made_of.linked),
        property_values=settings.property_values,
        guest=guest,
        finish=_finish(settings).model_copy(update={"snapshot": ""}),
        export=exported,
        facts=told,
        on_error=choices.on_error,
        force=choices.force,
    )
    return plan, check.notes


def plan_site(settings: Settings, layers: Layers, around: Surroundings) -> SitePlan:
    """The vCenter of these settings, and the place in it; ConfigError with every fault of them."""
    check = Checks(settings, layers, around)
    plan = SitePlan(
        vcenter=checks.vcenter(check),
        place=checks.place(check),
        networks=tuple(each.network for each in nics(settings)),
    )
    if check.faults:
        raise ConfigError(sorted(set(check.faults)))
    return plan


def _name(check: Checks) -> str:
    name = check.settings.name or check.settings.build_name
    if not name:
        check.fault("name", "name is missing", "what the VM is to be called; build_name does as well")
    return name or ""


def _kickstart(check: Checks) -> Kickstart:
    settings = check.settings
    floppy = check.files("floppy_files", settings.floppy_files) + check.files("floppy_dirs", settings.floppy_dirs)
    http = check.files("http_directory", [settings.http_directory] if settings.http_directory else [])
    typed = "".join([*settings.boot_command, settings.boot_media_path or "", settings.boot_command_suffix or ""])
    if "HTTPIP" in typed and not http:
        check.fault("http_directory", "the boot command asks for a page, and there is none", "give http_directory")
    return Kickstart(
        bundle=settings.files or "",
        floppy=floppy,
        floppy_label=settings.floppy_label,
        cd=check.files("cd_files", settings.cd_files),
        cd_label=settings.cd_label,
        http=next(iter(http), ""),
    )


def _boot(check: Checks) -> Boot:
    settings, pace = check.settings, Pace()
    interval = settings.boot_keygroup_interval
    return Boot(
        command=checks.boot_command(check),
        wait_s=settings.boot_wait,
        batch_size=settings.boot_keygroup_size or pace.batch_size,
        interval_s=pace.interval_s if interval is None else interval,
    )


def _guest(check: Checks) -> Guest:
    settings = check.settings
    steps: list[Upload | Script] = []
    for index, entry in enumerate(settings.provision):
        if isinstance(entry, UploadEntry):
            check.files(("provision", index, "upload"), [entry.upload])
            steps.append(Upload(**entry.model_dump()))
            continue
        if entry.script:
            check.files(("provision", index, "script"), [entry.script])
        given = entry.model_dump(exclude={"timeout", "script"})
        steps.append(Script(**given, script=entry.script or "", timeout_s=entry.timeout))
    if settings.communicator == "none" and steps:
        check.fault("provision", "nobody logs in to provision", "communicator: ssh")
    return Guest(
        login=_login(check) if settings.communicator == "ssh" else None,
        bundle=settings.files or "",
        steps=tuple(steps),
        shrink=settings.shrink and settings.communicator == "ssh",
        shutdown=Shutdown(command=settings.shutdown_command or "", timeout_s=settings.shutdown_timeout),
    )


def _login(check: Checks) -> Login:
    settings = check.settings
    check.need("ssh_username", "who logs in to the installed system; communicator: none if nobody does")
    password, key = check.secret("ssh_password"), check.secret("ssh_private_key")
    if not (settings.ssh_password or settings.ssh_private_key):
        check.fault("ssh_password", "nothing to log in with", "ssh_password or ssh_private_key")
    return Login(
        username=settings.ssh_username or "",
        password=password,
        private_key=key,
        port=settings.ssh_port,
        timeout_s=settings.ssh_timeout,
        address=settings.ssh_host or "",
        address_timeout_s=settings.ip_wait_timeout,
        settle_s=settings.ip_settle_timeout,
        network=settings.ip_wait_address,
    )


def _finish(settings: Settings) -> Finish:
    return Finish(
        snapshot=settings.snapshot_name if settings.create_snapshot else "",
        template=settings.convert_to_template,
        tags=settings.tags,
        custom_attributes=settings.custom_attributes,
    )


def _resources(check: Checks, *, linked: bool) -> Resources:
    """What is said of the hardware, and only that: a default of ours is not to change what the base has."""
    settings, said = check.settings, check.settings.model_fields_set
    if linked and "disk_size" in said:
        check.note("disk_size", "disk_size has no meaning for a linked clone, whose disks are its base's")
        said = said - {"disk_size"}
    return Resources(
        cpus=settings.cpu if "cpu" in said else None,
        cores_per_socket=settings.cpu_cores if "cpu_cores" in said else None,
        memory_mib=settings.memory if "memory" in said else None,
        first_disk_mib=settings.disk_size if "disk_size" in said else None,
    )
