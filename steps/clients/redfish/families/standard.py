"""The ways of the Redfish standard (DSP0266, schemas VirtualMedia and ComputerSystem), for BMCs which keep to it."""

from typing import Any, Literal

import sushy
import sushy.exceptions
from sushy.resources.constants import ResetType
from sushy.resources.system.constants import BootSource, BootSourceOverrideEnabled, BootSourceOverrideMode

from steps.clients.redfish.ways import Slot, System, Ways
from steps.domain.bmc import BootOverride, VirtualCd

_ABSENT = (sushy.exceptions.MissingAttributeError, sushy.exceptions.ResourceNotFoundError)


def cd_slots(system: System) -> list[Slot]:
    """The System's slots, else its Managers': the standard moved VirtualMedia from Manager to System in 2020."""
    return _slots_of([system]) or _slots_of(managers_of(system))


def managers_of(system: System) -> list[Any]:
    """The BMCs of this system; those of the service root where the system links to none."""
    try:
        return list(system.managers)
    except _ABSENT:
        pass
    try:
        return list(system.root.get_manager_collection().get_members())
    except _ABSENT:
        return []


def see_cd(slot: Slot) -> VirtualCd:
    # Inserted may be null or absent; then an image means a medium
    inserted = bool(slot.image) if slot.inserted is None else bool(slot.inserted)
    return VirtualCd(slot=slot.path, inserted=inserted, image=(slot.image or "") if inserted else "")


def insert(slot: Slot, url: str) -> None:
    slot.insert_media(url)


def eject(slot: Slot) -> None:
    slot.eject_media()


def see_boot(system: System) -> BootOverride:
    boot = system.boot
    if boot is None or boot.enabled in (None, BootSourceOverrideEnabled.DISABLED):
        return BootOverride(enabled="Disabled", target="None", mode=_mode(boot))
    once = boot.enabled == BootSourceOverrideEnabled.ONCE
    target = boot.target.value if boot.target else "None"
    return BootOverride(enabled="Once" if once else "Continuous", target=target, mode=_mode(boot))


def set_boot(system: System, wanted: BootOverride) -> None:
    """PATCH the target and what else differs: some BMCs refuse a property sent unchanged."""
    now = see_boot(system)
    change: dict[str, Any] = {}
    if _allows(system, wanted.target):
        change["target"] = BootSource(wanted.target)
    if wanted.enabled != now.enabled:
        change["enabled"] = BootSourceOverrideEnabled(wanted.enabled)
    if wanted.mode and wanted.mode != now.mode and _knows_modes(system):
        change["mode"] = BootSourceOverrideMode(wanted.mode)
    try:
        system.set_system_boot_options(**change)
    except TypeError:
        # sushy searches AllowableValues on a Supermicro even where there are none
        names = {"target": "Target", "enabled": "Enabled", "mode": "Mode"}
        boot = {f"BootSourceOverride{names[key]}": value.value for key, value in change.items()}
        system._conn.patch(system.path, data={"Boot": boot}, etag=system._get_etag())


def switch(system: System, to: Literal["on", "off"]) -> None:
    if to == "off":
        system.reset_system(ResetType.FORCE_OFF)
        return
    allowed = system.get_allowed_reset_system_values()
    system.reset_system(ResetType.ON if ResetType.ON in allowed else ResetType.FORCE_ON)


def _slots_of(holders: list[Any]) -> list[Slot]:
    slots: dict[str, Slot] = {}
    for holder in holders:
        try:
            members = holder.virtual_media.get_members()
        except _ABSENT:
            continue
        slots |= {slot.path: slot for slot in members if _takes_cds(slot)}
    return list(slots.values())


def _takes_cds(slot: Slot) -> bool:
    """Whether a CD image can be put into it: some slots are for a console's viewer only, and have no way in."""
    if not {sushy.VIRTUAL_MEDIA_CD, sushy.VIRTUAL_MEDIA_DVD} & set(slot.media_types or ()):
        return False
    by_action = slot._actions is not None and slot._actions.insert_media is not None
    return by_action or slot._allow_patch()


def _allows(system: System, target: str) -> bool:
    """Whether the target may be sent; "None" is missing from many lists, and not needed beside Disabled."""
    allowed = system.boot.allowed_values if system.boot else None
    return target != "None" or not allowed or target in allowed


def _knows_modes(system: System) -> bool:
    """Whether the BMC has the property, be it null."""
    boot = system.json.get("Boot") or {}
    return bool(_mode(system.boot)) or any(key.startswith("BootSourceOverrideMode") for key in boot)


def _mode(boot: Any) -> str:
    return boot.mode.value if boot is not None and boot.mode is not None else ""


WAYS = Ways(
    family="standard",
    cd_slots=cd_slots,
    see_cd=see_cd,
    insert=insert,
    eject=eject,
    see_boot=see_boot,
    set_boot=set_boot,
    switch=switch,
)
