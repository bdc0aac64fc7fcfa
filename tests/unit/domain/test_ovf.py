"""Descriptors: always the same text, every value comes back out of it, and what is wrong with one is told."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from steps.domain.ovf import (
    Appliance,
    CdDrive,
    Controller,
    Disk,
    DiskFile,
    Floppy,
    Network,
    Nic,
    OperatingSystem,
    Product,
    Property,
    Setting,
    descriptor,
)
from steps.domain.ovf.checks import descriptor_faults
from steps.domain.ovf.descriptor import longest_descriptor
from steps.domain.ovf.guest import cim_id
from steps.domain.ovf.reading import read_descriptor, unit_bytes
from steps.domain.ovf.text import _as_xml
from steps.domain.ovf.xml import BadXml, read_xml
from tests.unit.domain.appliances import MIB, appliance, everything, hardware

GOLDEN = Path(__file__).parents[2] / "golden" / "ovf"
VARIANTS = {"everything": everything(), "least": appliance(networks=(), hardware=hardware(nics=()))}


def text_of(made: Appliance) -> str:
    return descriptor(made, {disk: DiskFile(123456, 654321) for disk in made.disk_files})


def faults_of(text: str) -> list[str]:
    return [fault.message for fault in descriptor_faults(read_descriptor(text.encode()))]


@pytest.mark.golden
@pytest.mark.parametrize("name", VARIANTS)
def test_golden(name: str) -> None:
    text = text_of(VARIANTS[name])
    file = GOLDEN / f"{name}.ovf"
    if os.environ.get("HERASPHERE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text(), "HERASPHERE_GOLDEN=1 pytest writes the goldens anew"


def test_every_golden_has_its_variant() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == VARIANTS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_written_has_no_fault(name: str) -> None:
    assert faults_of(text_of(VARIANTS[name])) == []


def test_what_is_written_comes_back() -> None:
    made = everything()
    read = read_descriptor(text_of(made).encode())
    assert [file.name for file in read.files] == [f"k3s-photon-5_v1.2.3-disk{number}.vmdk" for number in (1, 2, 3, 4)]
    assert {(file.size_bytes, file.plain) for file in read.files} == {(123456, True)}
    assert list(made.disk_files) == ["system", "odd", "data", "fast"]
    assert [disk.capacity_bytes for disk in read.disks] == [64 * 2**30, 1536, 3 * 2**30, 4 * MIB]
    assert {disk.populated_bytes for disk in read.disks} == {654321}
    (system,) = read.systems
    assert (system.id, system.os_id, system.os_type) == (made.name, "101", "vmwarePhoton64Guest")
    assert (system.product, system.vendor, system.version) == ("k3s", "Example, Größe & Söhne", "1.2.3")
    assert system.annotation == "first line\nsecond ]]> line" and system.eulas == 2
    assert system.transports == ("com.vmware.guestInfo", "iso") and system.hardware_version == "vmx-21"
    assert system.extra_config == {"disk.EnableUUID": "TRUE", "guestinfo.x": "<&>"}
    assert system.config["firmware"] == "efi" and system.config["bootOptions.efiSecureBootEnabled"] == "true"
    defaults = {each.key: each.default for each in system.properties}
    assert defaults["com.example.motd.1"] == "a \"b\" 'c' <d> & e\nf" and len(defaults) == 7
    assert read.networks == ("R&D <lab>", "VM Network")
    assert {item.connection for item in system.items if item.connection} == {("R&D <lab>",), ("VM Network",)}


def test_the_order_in_which_hardware_is_given_does_not_matter() -> None:
    made = everything()
    changed = made.hardware.model_copy(
        update={"controllers": made.hardware.controllers[::-1], "disks": made.hardware.disks[::-1]}
    )
    assert text_of(made.model_copy(update={"hardware": changed})) == text_of(made)


xml_text = st.text().filter(lambda text: not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", text))


@given(text=xml_text)
def test_any_text_comes_back(text: str) -> None:
    wanted = _as_xml(text)
    made = appliance(
        annotation=f"|{text}|",
        extra_config=(Setting(key="k", value=text),),
        product=Product(vendor=f"|{text}|", properties=(Property(key="k", default=text),)),
    )
    (system,) = read_descriptor(text_of(made).encode()).systems
    assert system.annotation == system.vendor == f"|{wanted}|"
    assert system.extra_config["k"] == system.properties[0].default == wanted


@given(size=st.integers(0, 10**19), populated=st.integers(0, 10**19))
def test_no_descriptor_is_longer_than_the_room_for_it(size: int, populated: int) -> None:
    made = appliance(MIB, MIB)
    assert len(descriptor(made, dict.fromkeys(made.disk_files, DiskFile(size, populated)))) <= longest_descriptor(made)


@pytest.mark.parametrize("character", ["\0", "\x1b", "\ud800", "\uffff"])
def test_what_xml_cannot_hold_is_refused(character: str) -> None:
    with pytest.raises(ValidationError, match="cannot stand in an OVF descriptor"):
        appliance(annotation=f"a{character}b")


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "cores": (lambda: hardware(cpus=3, cores_per_socket=2), "3 CPUs cannot be in sockets of 2"),
    "memory": (lambda: hardware(memory_mib=4095), "multiple of 4"),
    "no disk": (lambda: hardware(disks=()), "at least 1"),
    "bus twice": (
        lambda: hardware(controllers=(Controller(kind="lsilogic"), Controller(kind="pvscsi"))),
        "two controllers have the same bus",
    ),
    "bus": (lambda: hardware(controllers=(Controller(kind="ide", bus=2),)), "ide2: there are 2 buses"),
    "disk in nothing": (
        lambda: hardware(disks=(Disk(id="a", capacity_bytes=512, controller="sata0", unit=0),)),
        "sata0: there is no such controller",
    ),
    "unit of the controller": (
        lambda: hardware(disks=(Disk(id="a", capacity_bytes=512, controller="scsi0", unit=7),)),
        "scsi0 has no unit 7",
    ),
    "unit": (
        lambda: hardware(disks=(Disk(id="a", capacity_bytes=512, controller="scsi0", unit=16),)),
        "scsi0 has no unit 16",
    ),
    "unit twice": (lambda: hardware(cds=(CdDrive(controller="scsi0", unit=0),)), "unit 0 of scsi0 is taken twice"),
    "id twice": (
        lambda: hardware(
            disks=tuple(Disk(id="a", capacity_bytes=512, controller="scsi0", unit=unit) for unit in (0, 1))
        ),
        "two disks have the same id",
    ),
    "half a sector": (lambda: Disk(id="a", capacity_bytes=100, controller="scsi0", unit=0), "multiple of 512"),
    "floppies": (lambda: hardware(floppies=(Floppy(), Floppy())), "two floppies are in the same unit"),
    "mac": (lambda: Nic(network="x", mac="1:2:3"), "pattern"),
    "network": (lambda: appliance(networks=()), "is not among the networks"),
    "network twice": (lambda: appliance(networks=(Network(name="VM Network"),) * 2), "two networks"),
    "name": (lambda: appliance(name="../box"), "pattern"),
    "name of another system": (lambda: appliance(name="Größe"), "pattern"),
    "property twice": (lambda: Product(properties=(Property(key="a"),) * 2), "two properties have the same key"),
    "key of a property": (lambda: Property(key="a.b"), "pattern"),
    "default": (lambda: Property(key="a", type="uint8", default="256"), "property a: its default is no uint8"),
    "negative": (lambda: Property(key="a", type="uint16", default="-1"), "its default is no uint16"),
    "boolean": (lambda: Property(key="a", type="boolean", default="yes"), "its default is no boolean"),
    "real": (lambda: Property(key="a", type="real32", default="x"), "its default is no real32"),
    "guest": (lambda: OperatingSystem(guest_id="centos7-64 guest"), "pattern"),
    "version": (lambda: hardware(version="14"), "pattern"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_built_is_refused(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(ValidationError, match=message):
        make()


@pytest.mark.parametrize(
    ("kind", "default"),
    [("uint8", "255"), ("sint8", "-128"), ("real64", "-1.5e3"), ("boolean", "False"), ("uint64", str(2**64 - 1))],
)
def test_defaults_of_their_types(kind: Any, default: str) -> None:
    assert Property(key="a", type=kind, default=default).default == default


@pytest.mark.parametrize(
    ("guest_id", "number"),
    [
        ("centos7_64Guest", 107),
        ("rhel9_64Guest", 80),
        ("ubuntu64Guest", 94),
        ("debian12Guest", 95),
        ("other5xLinux64Guest", 101),
        ("vmwarePhoton64Guest", 101),
        ("otherLinuxGuest", 36),
        ("otherGuest64", 102),
        ("windows9Guest", 1),
    ],
)
def test_numbers_of_guests(guest_id: str, number: int) -> None:
    assert cim_id(guest_id) == number


@pytest.mark.parametrize(
    ("unit", "number"),
    [("byte * 2^30", 2**30), ("byte*2^20", 2**20), ("byte", 1), ("bytes", 1), ("byte * 10^9", 10**9),
     ("MegaBytes", 2**20), ("hertz * 10^6", None), ("byte * 3^2", None), ("byte * 2^999", None), ("", None)],
)  # fmt: skip
def test_units(unit: str, number: int | None) -> None:
    assert unit_bytes(unit) == number


CHANGES = {
    "another root": ("ovf:Envelope", "ovf:Package", "it begins with <Package>"),
    "ovf 0.9": (
        "http://schemas.dmtf.org/ovf/envelope/1", "http://www.vmware.com/schema/ovf/1/envelope",
        "no envelope of OVF 1 or 2",
    ),
    "file without name": ('ovf:href="box-disk1.vmdk"', 'ovf:href=""', "a File without id or href"),
    "file elsewhere": ("box-disk1.vmdk", "../box-disk1.vmdk", "it lies outside of the package"),
    "file by url": ("box-disk1.vmdk", "http://example.com/a.vmdk", "it lies outside of the package"),
    "file twice": ("box-disk2.vmdk", "box-disk1.vmdk", "two files are called 'box-disk1.vmdk'"),
    "file's id twice": ('ovf:id="file2"', 'ovf:id="file1"', "two files have the id 'file1'"),
    "disk without file": ('ovf:fileRef="file2"', 'ovf:fileRef="file9"', "disk 'vmdisk2' is in file 'file9'"),
    "disk twice": ('ovf:diskId="vmdisk2"', 'ovf:diskId="vmdisk1"', "two disks have the id 'vmdisk1'"),
    "capacity": ('ovf:capacity="1"', 'ovf:capacity="much"', "has no capacity that can be read"),
    "unit": ("byte * 2^20", "bit", "has no capacity that can be read"),
    "format": ("vmdk.html#streamOptimized", "vmdk.html#sparse", "vmdk.html#sparse'"),
    "disk of no machine": ("ovf:/disk/vmdisk2", "ovf:/disk/vmdisk1", "disk 'vmdisk2' is in no machine"),
    "no such disk": ("ovf:/disk/vmdisk2", "ovf:/disk/vmdisk3", "names 'ovf:/disk/vmdisk3': there is none"),
    "no such file": ("ovf:/disk/vmdisk2", "ovf:/file/file7", "names 'ovf:/file/file7': there is none"),
    "names no disk": ("<rasd:HostResource>ovf:/disk/vmdisk2</rasd:HostResource>", "", "(Hard Disk 2) names no disk"),
    "no such network": ("<rasd:Connection>VM Network", "<rasd:Connection>LAN", "is in network 'LAN'"),
    "no such parent": ("<rasd:Parent>3", "<rasd:Parent>99", "is plugged into item 99"),
    "address": ("<rasd:AddressOnParent>1<", "<rasd:AddressOnParent>0<", "2 devices are at address 0 of item 3"),
    "number twice": ("<rasd:InstanceID>2<", "<rasd:InstanceID>1<", "two items have the InstanceID '1'"),
    "no kind": ("<rasd:ResourceType>3</rasd:ResourceType>", "", "needs ElementName, InstanceID and a ResourceType"),
    "order in an item": (
        "<rasd:ResourceType>3</rasd:ResourceType>", "<rasd:Caption>3</rasd:Caption>",
        "in an item Caption stands behind InstanceID",
    ),
    "no info": ("<ovf:Info>Virtual disks</ovf:Info>", "", "DiskSection does not begin with an Info"),
    "no guest": ('ovf:id="107"', "", "a virtual system without an operating system's id"),
    "no id": ('ovf:id="box"', "", "a virtual system without id"),
    "no machine": ("ovf:VirtualSystem>", "ovf:Other>", "it has no virtual system"),
    "key of a property": ('ovf:key="ip"', 'ovf:key="a.b"', "'a.b' is no key of a property"),
    "type of a property": ('ovf:type="string"', 'ovf:type="ip"', "property 'ip' is of type 'ip'"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_faults(name: str) -> None:
    old, new, message = CHANGES[name]
    text = text_of(appliance(MIB, MIB, product=Product(properties=(Property(key="ip"),))))
    if name == "no machine":
        text = text.replace("<ovf:VirtualSystem ", "<ovf:Other ")
    changed = text.replace(old, new)
    assert changed != text
    assert any(message in fault for fault in faults_of(changed)), faults_of(changed)


def test_the_place_of_a_fault() -> None:
    text = text_of(appliance()).replace("<rasd:Connection>VM Network", "<rasd:Connection>LAN")
    (fault,) = descriptor_faults(read_descriptor(text.encode()))
    lines = text.splitlines()
    assert lines[fault.line - 1].strip() == "<ovf:Item>" and "LAN" in "".join(lines[fault.line : fault.line + 5])


def test_an_empty_disk_whose_size_the_importer_gives() -> None:
    text = text_of(appliance(MIB, MIB)).replace('ovf:capacity="1"', 'ovf:capacity="${size}"')
    text = re.sub(r'ovf:fileRef="file2" ovf:format="[^"]*"', "", text)
    assert faults_of(text) == []


def test_sections_out_of_order() -> None:
    text = text_of(appliance())
    section = re.search(r"  <ovf:NetworkSection>.*</ovf:NetworkSection>\n", text, re.DOTALL)
    assert section
    moved = text.replace(section[0], "").replace("</ovf:Envelope>", section[0] + "</ovf:Envelope>")
    assert faults_of(moved) == ["NetworkSection comes too late in the envelope"]


BOMB = (
    b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>"""
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (BOMB, "a document type"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "a document type"),
        (b"<a>" * 60 + b"</a>" * 60, "deeper ones"),
        (b"<a>" + b"<b/>" * 50_001 + b"</a>", "more elements"),
        (b" " * (4 * MIB + 1), "larger than 4 MiB"),
        (b"", "not XML: no element found"),
        (b"<a><b></a>", "not XML: mismatched tag"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "not XML"),
        (b"<a>\xff</a>", "not XML"),
        (b"\0" * 100, "not XML"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_xml_of_strangers(data: bytes, message: str) -> None:
    with pytest.raises(BadXml, match=message):
        read_xml(data)


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    with pytest.raises(BadXml):
        read_xml(data + b"<")


@given(at=st.integers(0, 10_000), replacement=st.binary(min_size=1, max_size=3))
def test_a_damaged_descriptor_is_read_or_refused(at: int, replacement: bytes) -> None:
    data = text_of(everything()).encode()
    at %= len(data)
    try:
        descriptor_faults(read_descriptor(data[:at] + replacement + data[at + len(replacement) :]))
    except BadXml as error:
        assert error.line >= 1
