"""Packer's files as settings: which of its keys means which of ours, and what of it has no meaning here.

A var-file gives values to {{user `x`}}, and where it has names that we know too, settings. A template's builder is
settings alone, and wins over var-files: there they are only what it refers to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from steps.domain.image.packer_steps import provisioning
from steps.domain.source import Path, Source

BUILDERS = ("vsphere-iso", "vsphere-clone")

SAME_MEANING: Mapping[str, str] = {
    "vm_name": "name", "vm_version": "vmx_version", "vsphere_guest_os_type": "guest_os_type", "CPUs": "cpu",
    "RAM": "memory", "RAM_reserve_all": "memory_reserved", "CPU_hot_plug": "cpu_hot_add",
    "RAM_hot_plug": "memory_hot_add", "NestedHV": "nested_hv", "configuration_parameters": "extra_config",
    "iso_urls": "iso_url", "iso_paths": "iso_path", "template": "base", "snapshot_name": "snapshot_name",
    "ssh_private_key_file": "ssh_private_key", "network_adapters": "networks", "storage": "disks",
    "usb_controller": "usb", "vapp": "property_values", "content_library_destination": "content_library",
    "custom_attribute": "custom_attributes",
}  # fmt: skip

NO_MEANING: Mapping[str, str] = {
    "headless": "there is no window",
    "http_bind_address": "the media service has its own address",
    "http_ip": "the media service has its own address",
    "http_interface": "the media service has its own address",
    "http_port_min": "the media service has its own port",
    "http_port_max": "the media service has its own port",
    "remove_cdrom": "CD drives are always removed at the end",
    "remove_network_adapter": "network adapters stay",
    "reattach_cdroms": "CD drives are always removed at the end",
    "iso_target_path": "ISOs are kept by their checksum",
    "iso_target_extension": "ISOs are kept by their checksum",
    "ssh_pty": "scripts have no terminal",
    "ssh_handshake_attempts": "ssh_timeout says how long",
    "tools_upgrade_policy": "VMware Tools are the guest's own",
    "tools_sync_time": "the guest's clock is its own",
    "boot_order": "the disk first, then the CD: the empty disk is passed over",
    "disable_shutdown": "an image is always shut down",
    "export_ovf": "export is true or false",
    "vnc_bind_address": "keys are typed through vCenter",
    "vnc_port_min": "keys are typed through vCenter",
    "vnc_port_max": "keys are typed through vCenter",
    "vtpm": "no virtual TPM is added",
    "force_bios_setup": "firmware menus are not used",
}


@dataclass
class Imported:
    """What a file of Packer's means.

    variables: values for {{user `x`}}
    settings:  of a var-file, ours where they are known; builder: of a template
    remarks:   a sentence for each key that has no meaning here, by the key
    """

    variables: dict[str, str] = field(default_factory=dict)
    settings: Source | None = None
    builder: Source | None = None
    remarks: list[tuple[Path, str]] = field(default_factory=list)


def import_var_file(source: Source, known: frozenset[str]) -> Imported:
    """A var-file. known: the keys of settings."""
    made = Imported()
    settings = Source(source.file, {}, faults=source.faults)
    for key, value in source.data.items():
        if isinstance(value, str):
            made.variables[key] = value
        _take(source, (key,), _name(key, source.data), value, settings, made, known)
    made.settings = settings
    return made


def import_template(source: Source, known: frozenset[str]) -> Imported:
    """A template with builders: the first for vSphere is taken."""
    made = Imported()
    settings = Source(source.file, {}, faults=source.faults)
    made.builder = settings
    variables = source.data.get("variables") or {}
    made.variables = {key: value for key, value in variables.items() if isinstance(value, str)}
    builders = source.data.get("builders")
    entries = list(enumerate(builders)) if isinstance(builders, list) else []
    index, builder = next(((i, each) for i, each in entries if _is_ours(each)), (None, None))
    if index is None or builder is None:
        hint = "a builder of the type vsphere-iso or vsphere-clone"
        settings.faults.append(source.fault(("builders",), "none of its builders is for vSphere", hint))
        return made
    for i, each in entries:
        if i != index:
            made.remarks.append((("builders", i), f"builder {_word(each)} is left out: {_word(builder)} is taken"))
    for key, value in builder.items():
        _take(source, ("builders", index, key), _name(key, builder), value, settings, made, known)
    _provision(source, settings, made)
    for key in source.data:
        if key.startswith("post-processors"):
            made.remarks.append(((key,), "post-processors are not run: export, s3 and content_library publish"))
    return made


def _is_ours(builder: Any) -> bool:
    return isinstance(builder, dict) and builder.get("type") in BUILDERS


def _word(builder: Any) -> str:
    return str(builder.get("type")) if isinstance(builder, dict) else "of no type"


def _name(key: str, beside: Mapping[str, Any]) -> str:
    """Our name of a key of Packer's; "" for VMware Workstation's guest id beside vSphere's."""
    if key == "guest_os_type" and beside.get("vsphere_guest_os_type"):
        return ""
    return SAME_MEANING.get(key, key)


def _take(
    source: Source, path: Path, name: str, value: Any, into: Source, made: Imported, known: frozenset[str]
) -> None:
    """Put a value among the settings under our name, with the place it has in its file; or say why not."""
    key = str(path[-1])
    if key == "type" or key.startswith("_"):  # what made it ours, or a comment
        return
    if not name:
        made.remarks.append((path, f"{key} is VMware Workstation's; vsphere_guest_os_type is taken"))
    elif name == "disk_type_id" and isinstance(value, str) and value.isdigit():
        made.remarks.append((path, f"{key} {value} is VMware Workstation's and means nothing to vSphere"))
    elif key in NO_MEANING:
        made.remarks.append((path, f"{key} has no meaning here: {NO_MEANING[key]}"))
    elif name in known:
        shaped = SHAPES[name](value) if name in SHAPES else value
        into.data[name] = shaped
        _places(source, path, into, (name,))
    elif len(path) > 1:
        made.remarks.append((path, f"{key} has no meaning here"))


def _places(source: Source, path: Path, into: Source, to: Path) -> None:
    """What stands below a path in its file stands below another one in the settings."""
    for places, taken in ((source.values, into.values), (source.keys, into.keys)):
        for known, place in places.items():
            if known[: len(path)] == path:
                taken[(*to, *known[len(path) :])] = place


def _provision(source: Source, settings: Source, made: Imported) -> None:
    given = source.data.get("provisioners")
    steps: list[Any] = []
    for index, provisioner in enumerate(given if isinstance(given, list) else []):
        path: Path = ("provisioners", index)
        found, remarks = provisioning(provisioner)
        for step in found:
            _places(source, path, settings, ("provision", len(steps)))
            steps.append(step)
        made.remarks += [(path, remark) for remark in remarks]
    if steps:
        settings.data["provision"] = steps
        settings.values[("provision",)] = source.place(("provisioners",))


def _disks(value: Any) -> Any:
    names = {"disk_size": "size", "disk_thin_provisioned": "thin", "disk_controller_index": "controller"}
    return _renamed(value, names)


def _nics(value: Any) -> Any:
    return _renamed(value, {"network_card": "card", "mac_address": "mac"})


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(value, list):
        return value
    return [
        {names.get(key, key): each for key, each in item.items()} if isinstance(item, dict) else item for item in value
    ]


def _usb(value: Any) -> Any:
    kinds = {"true": "ehci", "usb": "ehci", "false": ""}
    listed = value if isinstance(value, list) else [value]
    return [kind for each in listed if (kind := kinds.get(str(each), str(each)))]


def _key_file(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _exported(value: Any) -> Any:
    return "true" if isinstance(value, dict) else value


def _library(value: Any) -> Any:
    if isinstance(value, dict):
        return {"name": value.get("library", ""), "item": value.get("name", "")}
    return value


def _properties(value: Any) -> Any:
    return value.get("properties", {}) if isinstance(value, dict) else value


SHAPES = {
    "disks": _disks,
    "networks": _nics,
    "usb": _usb,
    "ssh_private_key": _key_file,
    "iso_path": _first,
    "export": _exported,
    "content_library": _library,
    "property_values": _properties,
}


def unused(variables: Iterable[str], used: set[str], known: frozenset[str]) -> Iterator[str]:
    """The keys of a var-file that are neither settings nor asked for by any {{user `x`}}."""
    for key in variables:
        means = SAME_MEANING.get(key, key)
        if not key.startswith("_") and not {key, means} & (known | used | NO_MEANING.keys()):
            yield key
