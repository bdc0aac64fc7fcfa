"""An appliance as the text of its OVF descriptor: valid by the schema of OVF 1.1 (DSP8023), always the same.

Names carry their prefixes as they stand in the text, so that every importer that looks for "ovf:" instead of for the
namespace finds what it looks for. Elements stand in the schema's order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from steps.domain.ovf.appliance import Appliance, Product, Property, Setting
from steps.domain.ovf.items import Item, items

OVF = "http://schemas.dmtf.org/ovf/envelope/1"
RASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
VSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
VMW = "http://www.vmware.com/schema/ovf"
STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"  # ESXi wants it whole

MOST = 10**19  # larger than any size, so that no descriptor is longer than the one with it


@dataclass(frozen=True)
class DiskFile:
    """What is known of a disk when it was written."""

    size_bytes: int
    populated_bytes: int


def descriptor(appliance: Appliance, disks: Mapping[str, DiskFile]) -> str:
    """The descriptor's text; `disks` by the ids of the appliance's disks."""
    root = Element("ovf:Envelope", {"xmlns:ovf": OVF, "xmlns:rasd": RASD, "xmlns:vssd": VSSD, "xmlns:vmw": VMW})
    files = SubElement(root, "ovf:References")
    section = _section(root, "DiskSection", "Virtual disks")
    for number, disk in enumerate(appliance.hardware.ordered_disks, 1):
        file = disks[disk.id]
        name = appliance.disk_files[disk.id]
        SubElement(files, "ovf:File", _ovf(href=name, id=f"file{number}", size=str(file.size_bytes)))
        capacity, unit = _capacity(disk.capacity_bytes)
        values = _ovf(
            capacity=str(capacity), capacityAllocationUnits=unit, diskId=f"vmdisk{number}", fileRef=f"file{number}",
            format=STREAM_OPTIMIZED, populatedSize=str(file.populated_bytes),
        )  # fmt: skip
        SubElement(section, "ovf:Disk", values)
    if appliance.networks:
        section = _section(root, "NetworkSection", "The networks the machine is in")
        for network in appliance.networks:
            element = SubElement(section, "ovf:Network", _ovf(name=network.name))
            _text(element, "ovf:Description", network.description or network.name)
    _system(root, appliance)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def longest_descriptor(appliance: Appliance) -> int:
    """Bytes the descriptor takes at the most, whatever its disks turn out to be."""
    largest = DiskFile(MOST, MOST)
    return len(descriptor(appliance, {disk.id: largest for disk in appliance.hardware.disks}).encode())


def _ovf(**values: str) -> dict[str, str]:
    return {f"ovf:{key}": value for key, value in values.items()}


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _section(parent: Element, tag: str, info: str, values: dict[str, str] | None = None) -> Element:
    section = SubElement(parent, f"ovf:{tag}", values or {})
    _text(section, "ovf:Info", info)
    return section


def _capacity(capacity_bytes: int) -> tuple[int, str]:
    for power in (30, 20):
        if capacity_bytes % 2**power == 0:
            return capacity_bytes >> power, f"byte * 2^{power}"
    return capacity_bytes, "byte"


def _system(root: Element, appliance: Appliance) -> None:
    """The virtual system: its sections in the order vSphere exports them."""
    system = _section(root, "VirtualSystem", "A virtual machine", _ovf(id=appliance.name))
    _text(system, "ovf:Name", appliance.name)
    guest = appliance.operating_system
    values = _ovf(id=str(guest.cim_id)) | (_ovf(version=guest.version) if guest.version else {})
    section = _section(system, "OperatingSystemSection", "The guest operating system", values)
    section.set("vmw:osType", guest.guest_id)
    if guest.description:
        _text(section, "ovf:Description", guest.description)
    _hardware(system, appliance)
    if appliance.annotation:
        _text(_section(system, "AnnotationSection", "A note"), "ovf:Annotation", appliance.annotation)
    if appliance.product:
        _product(system, appliance.product)
    for eula in appliance.eulas:
        _text(_section(system, "EulaSection", "The licence to agree to"), "ovf:License", eula)


def _hardware(system: Element, appliance: Appliance) -> None:
    hardware = appliance.hardware
    values = _ovf(transport=" ".join(appliance.transports)) if appliance.transports else {}
    section = _section(system, "VirtualHardwareSection", "The hardware the machine needs", values)
    about = SubElement(section, "ovf:System")
    _text(about, "vssd:ElementName", "Virtual Hardware Family")
    _text(about, "vssd:InstanceID", "0")
    _text(about, "vssd:VirtualSystemIdentifier", appliance.name)
    _text(about, "vssd:VirtualSystemType", hardware.version)
    for item in items(hardware):
        _item(section, item)
    firmware = [Setting(key="firmware", value=hardware.firmware.removesuffix("-secure"))]
    if hardware.firmware == "efi-secure":
        firmware.append(Setting(key="bootOptions.efiSecureBootEnabled", value="true"))
    for setting in (*firmware, *appliance.config):
        _setting(section, "vmw:Config", setting.key, setting.value)
    for setting in appliance.extra_config:
        _setting(section, "vmw:ExtraConfig", setting.key, setting.value)


def _item(section: Element, item: Item) -> None:
    element = SubElement(section, "ovf:Item", {} if item.required else _ovf(required="false"))
    for key, value in item.values.items():
        _text(element, f"rasd:{key}", value)
    if item.cores_per_socket:
        cores = SubElement(element, "vmw:CoresPerSocket", _ovf(required="false"))
        cores.text = str(item.cores_per_socket)
    for key, value in item.config.items():
        _setting(element, "vmw:Config", key, value)


def _setting(parent: Element, tag: str, key: str, value: str) -> None:
    SubElement(parent, tag, {"ovf:required": "false", "vmw:key": key, "vmw:value": value})


def _product(system: Element, product: Product) -> None:
    identity = {"class": product.class_id, "instance": product.instance_id}
    values = {f"ovf:{key}": value for key, value in identity.items() if value}
    section = _section(system, "ProductSection", "What the machine is", values)
    told = {
        "Product": product.name, "Vendor": product.vendor, "Version": product.version,
        "FullVersion": product.full_version, "ProductUrl": product.product_url, "VendorUrl": product.vendor_url,
        "AppUrl": product.app_url,
    }  # fmt: skip
    for tag, text in told.items():
        if text:
            _text(section, f"ovf:{tag}", text)
    headed = sorted(product.properties, key=lambda each: bool(each.category))  # what has no heading must come first
    for category, properties in groupby(headed, key=lambda each: each.category):
        if category:
            _text(section, "ovf:Category", category)
        for each in properties:
            _property(section, each)


def _property(section: Element, given: Property) -> None:
    values = _ovf(key=given.key, type=given.type, userConfigurable=str(given.user_configurable).lower())
    if given.qualifiers:
        values["ovf:qualifiers"] = given.qualifiers
    if given.vmware_qualifiers:
        values["vmw:qualifiers"] = given.vmware_qualifiers
    if given.password:
        values["ovf:password"] = "true"
    if given.default or given.type == "string":
        values["ovf:value"] = given.default
    element = SubElement(section, "ovf:Property", values)
    if given.label:
        _text(element, "ovf:Label", given.label)
    if given.description:
        _text(element, "ovf:Description", given.description)
