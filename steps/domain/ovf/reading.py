"""What an OVF descriptor says, whoever wrote it: for looking at it, and for checking it against the files beside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from steps.domain.ovf.descriptor import OVF, RASD, VMW, VSSD
from steps.domain.ovf.xml import Node, read_xml

OVF_2 = "http://schemas.dmtf.org/ovf/envelope/2"
NAMESPACES = (OVF, OVF_2)


@dataclass(frozen=True)
class FileReference:
    id: str
    name: str
    size_bytes: int | None
    plain: bool  # neither compressed nor cut into chunks
    line: int


@dataclass(frozen=True)
class DiskReference:
    id: str
    file_id: str
    capacity_bytes: int | None
    by_property: bool  # whoever imports it says how large it is
    populated_bytes: int | None
    format: str
    line: int


@dataclass(frozen=True)
class ReadProperty:
    key: str
    type: str
    default: str
    label: str
    user_configurable: bool


@dataclass(frozen=True)
class ReadItem:
    """A virtual device. Numbers are None where there is none."""

    instance_id: str
    kind: int | None
    subtype: str
    name: str
    parent: str
    address_on_parent: str
    host_resource: str
    connection: tuple[str, ...]
    quantity: int | None
    cores_per_socket: int | None
    line: int


@dataclass(frozen=True)
class ReadSystem:
    """A virtual machine."""

    id: str
    name: str
    os_id: str
    os_type: str
    hardware_version: str
    items: tuple[ReadItem, ...]
    product: str
    vendor: str
    version: str
    full_version: str
    annotation: str
    eulas: int
    transports: tuple[str, ...]
    config: dict[str, str]
    extra_config: dict[str, str]
    properties: tuple[ReadProperty, ...]
    line: int


@dataclass(frozen=True)
class ReadDescriptor:
    root: Node = field(repr=False)
    namespace: str
    files: tuple[FileReference, ...]
    disks: tuple[DiskReference, ...]
    networks: tuple[str, ...]
    systems: tuple[ReadSystem, ...]


def read_descriptor(data: bytes) -> ReadDescriptor:
    """The descriptor's text read; BadXml if it is no XML. What is missing in it is empty here."""
    root = read_xml(data)
    ns = root.name[0] if root.name[0] in NAMESPACES else OVF
    reader = _Reader(ns)
    references = [file for section in root.all(ns, "References") for file in section.all(ns, "File")]
    disks = [disk for section in root.all(ns, "DiskSection") for disk in section.all(ns, "Disk")]
    networks = [each for section in root.all(ns, "NetworkSection") for each in section.all(ns, "Network")]
    return ReadDescriptor(
        root=root,
        namespace=ns,
        files=tuple(map(reader.file, references)),
        disks=tuple(map(reader.disk, disks)),
        networks=tuple(reader.value(each, "name") for each in networks),
        systems=tuple(map(reader.system, _systems(root, ns))),
    )


def number(text: str) -> int | None:
    """A whole number as descriptors write them; None if it is none."""
    return int(text) if re.fullmatch(r"[0-9]{1,20}", text, re.ASCII) else None


def unit_bytes(text: str) -> int | None:
    """What a unit of the form "byte * 2^20" is in bytes; None if it is none."""
    if match := re.fullmatch(r"\s*bytes?\s*(?:\*\s*(2|10)\s*\^\s*([0-9]{1,2})\s*)?", text, re.IGNORECASE):
        return int(match[1]) ** int(match[2]) if match[1] else 1
    return {"kilobytes": 2**10, "megabytes": 2**20, "gigabytes": 2**30}.get(text.lower())


def _systems(root: Node, ns: str) -> Iterator[Node]:
    """All virtual systems, those in collections too."""
    for child in root.children:
        if child.name == (ns, "VirtualSystem"):
            yield child
        elif child.name == (ns, "VirtualSystemCollection"):
            yield from _systems(child, ns)


class _Reader:
    def __init__(self, ns: str) -> None:
        self.ns = ns

    def value(self, node: Node, name: str) -> str:
        return node.values.get((self.ns, name)) or node.values.get(("", name), "")

    def file(self, node: Node) -> FileReference:
        plain = not self.value(node, "compression") and not self.value(node, "chunkSize")
        size = number(self.value(node, "size"))
        return FileReference(self.value(node, "id"), self.value(node, "href"), size, plain, node.line)

    def disk(self, node: Node) -> DiskReference:
        unit = unit_bytes(self.value(node, "capacityAllocationUnits") or "byte")
        capacity = number(self.value(node, "capacity"))
        return DiskReference(
            id=self.value(node, "diskId"),
            file_id=self.value(node, "fileRef"),
            capacity_bytes=None if capacity is None or unit is None else capacity * unit,
            by_property=self.value(node, "capacity").startswith("${"),
            populated_bytes=number(self.value(node, "populatedSize")),
            format=self.value(node, "format"),
            line=node.line,
        )

    def item(self, node: Node) -> ReadItem:
        def told(name: str) -> str:
            return node.under(RASD, name)

        return ReadItem(
            instance_id=told("InstanceID"),
            kind=number(told("ResourceType")),
            subtype=told("ResourceSubType"),
            name=told("ElementName"),
            parent=told("Parent"),
            address_on_parent=told("AddressOnParent"),
            host_resource=told("HostResource"),
            connection=tuple(each.text for each in node.all(RASD, "Connection")),
            quantity=number(told("VirtualQuantity")),
            cores_per_socket=number(node.under(VMW, "CoresPerSocket")),
            line=node.line,
        )

    def system(self, node: Node) -> ReadSystem:
        hardware = list(node.all(self.ns, "VirtualHardwareSection"))[:1]  # of several, importers choose; the first here
        sections = list(node.all(self.ns, "ProductSection"))
        product = sections[0] if sections else Node(("", ""), {}, node.line)
        guest = node.one(self.ns, "OperatingSystemSection") or Node(("", ""), {}, node.line)
        about = [each for section in hardware for each in section.all(self.ns, "System")]
        items = [
            each for section in hardware for each in section.children
            if each.name[1] in ("Item", "StorageItem", "EthernetPortItem")
        ]  # fmt: skip
        notes = node.one(self.ns, "AnnotationSection")
        return ReadSystem(
            id=self.value(node, "id"),
            name=node.under(self.ns, "Name"),
            os_id=self.value(guest, "id"),
            os_type=guest.values.get((VMW, "osType"), ""),
            hardware_version=about[0].under(VSSD, "VirtualSystemType") if about else "",
            items=tuple(map(self.item, items)),
            product=product.under(self.ns, "Product"),
            vendor=product.under(self.ns, "Vendor"),
            version=product.under(self.ns, "Version"),
            full_version=product.under(self.ns, "FullVersion"),
            annotation=notes.under(self.ns, "Annotation") if notes else "",
            eulas=len(list(node.all(self.ns, "EulaSection"))),
            transports=tuple(self.value(hardware[0], "transport").split()) if hardware else (),
            config=self.settings(hardware, "Config"),
            extra_config=self.settings(hardware, "ExtraConfig"),
            properties=tuple(self.properties(sections)),
            line=node.line,
        )

    def settings(self, sections: list[Node], name: str) -> dict[str, str]:
        found = [each for section in sections for each in section.all(VMW, name)]
        return {each.values.get((VMW, "key"), ""): each.values.get((VMW, "value"), "") for each in found}

    def properties(self, sections: list[Node]) -> Iterator[ReadProperty]:
        """Each with the key it has in the guest: class.key.instance."""
        for section in sections:
            for each in section.all(self.ns, "Property"):
                parts = (self.value(section, "class"), self.value(each, "key"), self.value(section, "instance"))
                yield ReadProperty(
                    key=".".join(part for part in parts if part),
                    type=self.value(each, "type"),
                    default=self.value(each, "value"),
                    label=each.under(self.ns, "Label"),
                    user_configurable=self.value(each, "userConfigurable").lower() in ("true", "1"),
                )
