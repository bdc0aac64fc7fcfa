"""What is wrong with an OVF descriptor in itself: what its schema asks for, and names that lead nowhere."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from steps.domain.ovf.descriptor import RASD
from steps.domain.ovf.reading import ReadDescriptor, ReadItem, ReadSystem
from steps.domain.ovf.xml import Node

DISK, NIC = 17, 10
TYPES = {
    "string", "boolean", "char", "real32", "real64",
    *(f"{sign}int{bits}" for sign in "us" for bits in (8, 16, 32, 64)),
}  # fmt: skip
ENVELOPE = {"References": 0, "VirtualSystem": 2, "VirtualSystemCollection": 2, "Strings": 3}  # sections: 1


@dataclass(frozen=True)
class DescriptorFault:
    line: int
    message: str


def descriptor_faults(read: ReadDescriptor) -> list[DescriptorFault]:
    """Every fault, in the order of the lines."""
    if read.root.name != (read.namespace, "Envelope"):
        namespace, name = read.root.name
        return [DescriptorFault(1, f"it begins with <{name[:40]}> of {namespace[:80]!r}: no envelope of OVF 1 or 2")]
    found = [*_order(read), *_references(read), *_disks(read)]
    for system in read.systems:
        found += _system(read, system)
    if not read.systems:
        found.append(DescriptorFault(1, "it has no virtual system"))
    for section in _sections(read.root):
        if not section.children or section.children[0].name != (read.namespace, "Info"):
            found.append(DescriptorFault(section.line, f"{section.name[1]} does not begin with an Info"))
        if section.name[1] == "VirtualHardwareSection":
            for item in section.children:
                found += _item_order(item)
        if section.name[1] == "ProductSection":
            found += _properties(read.namespace, section)
    return sorted(found, key=lambda fault: fault.line)


def _sections(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.name[1].endswith("Section") or child.name[1] in ("VirtualSystem", "VirtualSystemCollection"):
            yield child
            yield from _sections(child)


def _order(read: ReadDescriptor) -> Iterator[DescriptorFault]:
    last = 0
    for child in read.root.children:
        rank = ENVELOPE.get(child.name[1], 1)
        if rank < last:
            yield DescriptorFault(child.line, f"{child.name[1]} comes too late in the envelope")
        last = max(last, rank)


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _references(read: ReadDescriptor) -> Iterator[DescriptorFault]:
    for file in read.files:
        if not file.id or not file.name:
            yield DescriptorFault(file.line, "a File without id or href")
        elif "/" in file.name or "\\" in file.name:
            yield DescriptorFault(
                file.line, f"{file.name[:80]!r} is no plain file name: it lies outside of the package"
            )
    for name in _twice(file.id for file in read.files):
        yield DescriptorFault(1, f"two files have the id {name[:80]!r}")
    for name in _twice(file.name for file in read.files):
        yield DescriptorFault(1, f"two files are called {name[:80]!r}")


def _disks(read: ReadDescriptor) -> Iterator[DescriptorFault]:
    files = {file.id for file in read.files}
    used = {item.host_resource.rpartition("/")[2] for system in read.systems for item in system.items}
    for disk in read.disks:
        if disk.capacity_bytes is None and not disk.by_property:
            yield DescriptorFault(disk.line, f"disk {disk.id[:80]!r} has no capacity that can be read")
        if disk.file_id and disk.file_id not in files:
            yield DescriptorFault(disk.line, f"disk {disk.id[:80]!r} is in file {disk.file_id[:80]!r}: there is none")
        if disk.file_id and not disk.format.endswith("vmdk.html#streamOptimized"):
            yield DescriptorFault(disk.line, f"disk {disk.id[:80]!r} has format {disk.format[:80]!r}")
        if disk.id not in used:
            yield DescriptorFault(disk.line, f"disk {disk.id[:80]!r} is in no machine")
    for name in _twice(disk.id for disk in read.disks):
        yield DescriptorFault(1, f"two disks have the id {name[:80]!r}")


def _system(read: ReadDescriptor, system: ReadSystem) -> Iterator[DescriptorFault]:
    if not system.id:
        yield DescriptorFault(system.line, "a virtual system without id")
    if not system.os_id:
        yield DescriptorFault(system.line, "a virtual system without an operating system's id")
    if not system.items:
        yield DescriptorFault(system.line, "a virtual system without hardware")
    instances = {item.instance_id for item in system.items}
    networks = set(read.networks)
    resources = {"disk": {disk.id for disk in read.disks}, "file": {file.id for file in read.files}}
    places: Counter[tuple[str, str]] = Counter()
    for item in system.items:
        yield from _item(item, instances, networks, resources)
        if item.parent and item.address_on_parent and item.kind != NIC:
            places[item.parent, item.address_on_parent] += 1
    for name in _twice(item.instance_id for item in system.items):
        yield DescriptorFault(system.line, f"two items have the InstanceID {name[:80]!r}")
    for (parent, address), count in places.items():
        if count > 1:
            yield DescriptorFault(system.line, f"{count} devices are at address {address[:20]} of item {parent[:20]}")


def _item(
    item: ReadItem, instances: set[str], networks: set[str], resources: dict[str, set[str]]
) -> Iterator[DescriptorFault]:
    called = f"item {item.instance_id[:20] or '?'} ({item.name[:40]})"
    if not item.instance_id or not item.name or item.kind is None:
        yield DescriptorFault(item.line, f"{called} needs ElementName, InstanceID and a ResourceType")
    if item.parent and item.parent not in instances:
        yield DescriptorFault(item.line, f"{called} is plugged into item {item.parent[:20]}: there is none")
    for name in item.connection:
        if name not in networks:
            yield DescriptorFault(item.line, f"{called} is in network {name[:80]!r}: there is none")
    if not item.host_resource:
        if item.kind == DISK:
            yield DescriptorFault(item.line, f"{called} names no disk")
        return
    kind, _, name = item.host_resource.removeprefix("ovf:").strip("/").partition("/")
    if kind in resources and name not in resources[kind]:
        yield DescriptorFault(item.line, f"{called} names {item.host_resource[:80]!r}: there is none")


def _item_order(item: Node) -> Iterator[DescriptorFault]:
    """The schema wants the children of an item in alphabetical order, and ovftool insists on it."""
    names = [child.name[1] for child in item.children if child.name[0] == RASD]
    for before, after in pairwise(names):
        if before > after:
            yield DescriptorFault(item.line, f"in an item {after[:40]} stands behind {before[:40]}")
            return


def _properties(ns: str, section: Node) -> Iterator[DescriptorFault]:
    properties = list(section.all(ns, "Property"))
    for each in properties:
        key, kind = each.values.get((ns, "key"), ""), each.values.get((ns, "type"), "")
        if not key or "." in key or ":" in key:
            yield DescriptorFault(each.line, f"{key[:80]!r} is no key of a property")
        if kind not in TYPES:
            yield DescriptorFault(each.line, f"property {key[:80]!r} is of type {kind[:40]!r}: there is none")
    for key in _twice(each.values.get((ns, "key"), "") for each in properties):
        yield DescriptorFault(section.line, f"two properties have the key {key[:80]!r}")
