"""Damaged and hostile images end in an error of ours, soon, and without taking memory; odd but sound ones are read."""

import io
import struct
from collections.abc import Callable

import pytest

from steps.domain.errors import VerifyFailed
from steps.domain.iso import SECTOR, IsoImage, inspect
from steps.domain.splice import GAP_BYTES, make_template

CONFIG = b"title=Loading ESXi installer\nkernelopt=runweasel\nbuild=8.0.3-0.0.24022510\n"
CONFIG_AT, ROOT_AT, TABLE_AT = 3000, 100, 90  # sectors
IMAGE_BYTES = 8 << 20


def both(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)


def record(name: bytes, sector: int, size_bytes: int, *, directory: bool = False, attributes: int = 0) -> bytes:
    """A directory record; `attributes`: sectors of an extended attribute record before the content."""
    fields = both(sector) + both(size_bytes) + bytes(7) + bytes([2 * directory, 0, 0]) + b"\1\0\0\1"
    body = bytes([attributes]) + fields + bytes([len(name)]) + name
    body += b"" if len(body) % 2 else b"\0"
    return bytes([len(body) + 1]) + body


def folder(sector: int, *records: bytes, size_bytes: int = SECTOR) -> bytes:
    """A directory's bytes, its own two records in front."""
    dots = record(b"\0", sector, size_bytes, directory=True) + record(b"\1", sector, size_bytes, directory=True)
    packed = bytearray(dots)
    for raw in records:
        if len(packed) % SECTOR + len(raw) > SECTOR:
            packed += bytes(-len(packed) % SECTOR)
        packed += raw
    return bytes(packed + bytes(-len(packed) % SECTOR))


def image(*records: bytes, table: int = TABLE_AT, descriptors: int = 1) -> bytearray:
    """An image with these records in its root directory, and CONFIG in a sector of its own."""
    content = bytearray(IMAGE_BYTES)
    root = folder(ROOT_AT, *records)

    def put(sector: int, data: bytes) -> None:
        content[sector * SECTOR : sector * SECTOR + len(data)] = data

    volume = bytearray(SECTOR)
    volume[0:7] = b"\1CD001\1"
    volume[80:88] = both(IMAGE_BYTES // SECTOR)
    volume[140:144], volume[148:152] = struct.pack("<I", table), struct.pack(">I", TABLE_AT + 1)
    volume[156:190] = record(b"\0", ROOT_AT, len(root), directory=True)
    for number in range(descriptors):
        put(16 + number, bytes(volume))
    put(16 + descriptors, b"\xffCD001\1")
    put(TABLE_AT, b"\1\0" + struct.pack("<I", ROOT_AT) + b"\1\0\0\0")
    put(TABLE_AT + 1, b"\1\0" + struct.pack(">I", ROOT_AT) + b"\0\1\0\0")
    put(ROOT_AT, root)
    put(CONFIG_AT, CONFIG)
    return content


BOOT_CFG = record(b"BOOT.CFG;1", CONFIG_AT, len(CONFIG))


def test_the_image_made_here_is_sound() -> None:
    file = io.BytesIO(bytes(image(BOOT_CFG)))
    assert inspect(file).build == "24022510"
    assert make_template(file).view(b"reboot\n").size_bytes > IMAGE_BYTES


def test_repeated_descriptors_count_once() -> None:
    assert len(IsoImage(io.BytesIO(bytes(image(BOOT_CFG, descriptors=40)))).volumes) == 1


@pytest.mark.parametrize(
    ("content", "what"),
    {
        "path table outside": (lambda: image(BOOT_CFG, table=0xFFFFFFF0), "cut short: its path table"),
        "path table on a descriptor": (lambda: image(BOOT_CFG, table=17), "path table does not begin"),
        "path table at the end": (lambda: image(BOOT_CFG, table=IMAGE_BYTES // SECTOR), "cut short: its path table"),
        "path table on the root": (lambda: image(BOOT_CFG, table=ROOT_AT), "path table does not begin"),
        "both path tables in one place": (lambda: image(BOOT_CFG, table=TABLE_AT + 1), "upon each other"),
        "folder outside": (lambda: image(BOOT_CFG, record(b"EFI", 9999, SECTOR, directory=True)), "cut short"),
        "folder on a file": (lambda: image(BOOT_CFG, record(b"EFI", CONFIG_AT, SECTOR, directory=True)), "damaged"),
        "KS.CFG is a folder": (lambda: image(BOOT_CFG, record(b"KS.CFG", ROOT_AT, SECTOR, directory=True)), "KS.CFG"),
        "BOOT.CFG is a folder": (lambda: image(record(b"BOOT.CFG", ROOT_AT, SECTOR, directory=True)), "no BOOT.CFG"),
        "no BOOT.CFG": (image, "no BOOT.CFG"),
        "huge BOOT.CFG": (lambda: image(record(b"BOOT.CFG;1", CONFIG_AT, 1 << 31)), "claims 2147483648 bytes"),
        "BOOT.CFG past the end": (lambda: image(record(b"BOOT.CFG;1", 4095, 4096)), "cut short"),
    }.values(),
)
def test_what_cannot_be_is_refused(content: Callable[[], bytearray], what: str) -> None:
    with pytest.raises(VerifyFailed, match=what) as caught:
        make_template(io.BytesIO(bytes(content())))
    assert caught.value.hint


def test_a_root_directory_of_absurd_size_is_refused() -> None:
    content = image(BOOT_CFG)
    content[16 * SECTOR + 156 : 16 * SECTOR + 190] = record(b"\0", ROOT_AT, 0xFFFFF800, directory=True)
    with pytest.raises(VerifyFailed, match="claims 4294965248 bytes"):
        inspect(io.BytesIO(bytes(content)))


def test_many_folders_over_one_large_area_cost_one_sector_each() -> None:
    """Read whole, such folders of a small image would keep the service busy for hours."""
    folders = [record(b"D%04d" % number, 1000, 1 << 20, directory=True) for number in range(1000)]
    content = image(BOOT_CFG, *folders)
    crowd = folder(1000, *[record(b"A%d" % number, CONFIG_AT, 1) for number in range(20000)])
    content[1000 * SECTOR : 1000 * SECTOR + len(crowd)] = crowd

    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    file = Counting(bytes(content))
    make_template(file)
    assert file.taken < 1100 * SECTOR * 2


def test_a_file_behind_extended_attributes_is_found_and_repointed() -> None:
    content = image(record(b"BOOT.CFG;1", CONFIG_AT - 1, len(CONFIG), attributes=1))
    file = io.BytesIO(bytes(content))
    assert inspect(file).version == "8.0.3"
    image_of_host = make_template(file).image
    moved = next(splice for splice in image_of_host.splices if b"BOOT.CFG;1" in splice.data)
    at = moved.data.index(b"BOOT.CFG;1") - 33
    assert moved.data[at + 1] == 0  # no attributes at the new place
    assert struct.unpack_from("<I", moved.data, at + 2)[0] * SECTOR > IMAGE_BYTES


def test_nothing_that_is_read_early_lies_near_the_slot() -> None:
    """Firmware, BMCs and drivers read ahead: the slot's bytes must not be sent because a neighbour was wanted."""
    template = make_template(io.BytesIO(bytes(image(BOOT_CFG))))
    slot_end = template.slot_offset + template.slot_bytes
    for splice in template.image.splices:
        assert splice.end + GAP_BYTES <= template.slot_offset or splice.offset >= slot_end + GAP_BYTES
    assert template.image.source_bytes == IMAGE_BYTES <= template.slot_offset - GAP_BYTES
    assert template.image.size_bytes >= slot_end + GAP_BYTES


def test_the_new_record_takes_its_place_and_the_others_keep_theirs() -> None:
    names = [
        b"A.V00;1",
        b"BOOT.CFG;1",
        b"KS.B00;1",
        b"KS-X.CFG;1",
        b"KT.V00;1",
        b"A0.V00;1",
    ]  # the last one out of order
    template = make_template(io.BytesIO(bytes(image(*(record(name, CONFIG_AT, len(CONFIG)) for name in names)))))
    root = next(splice.data for splice in template.image.splices if b"KT.V00" in splice.data)
    places = {name: root.index(name) for name in [*names, b"KS.CFG;1"]}
    assert sorted(places, key=lambda name: places[name]) == [*names[:3], b"KS.CFG;1", *names[3:]]
