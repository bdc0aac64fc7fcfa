"""Stream-optimized VMDKs: sound ones pass whoever wrote them, damage is told at its place, nothing takes memory."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steps.domain.vmdk import VmdkFacts, VmdkFault, VmdkStream, most_bytes
from tests.unit.domain.appliances import GRAIN, MIB, SECTOR, marker, pattern, qemu_raw, qemu_vmdk, vsphere_vmdk

RAW = pattern(36 * MIB + 1536)  # more than one grain table
DISK = vsphere_vmdk(RAW)
SMALL = vsphere_vmdk(pattern(MIB + 512))
FIRST = 128 * SECTOR  # where the first marker is


def check(data: bytes, *, chunk: int = MIB, inflate: bool = True) -> tuple[VmdkFacts, list[VmdkFault]]:
    stream = VmdkStream(inflate=inflate)
    for start in range(0, len(data), chunk):
        stream.feed(memoryview(data)[start : start + chunk])
    return stream.finish(), stream.faults


def told(data: bytes, *, inflate: bool = True) -> list[str]:
    return [f"{fault.offset}: {fault.message}" for fault in check(data, inflate=inflate)[1]]


@pytest.fixture(scope="module")
def by_qemu(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return qemu_vmdk(tmp_path_factory.mktemp("vmdk"), RAW)


@pytest.fixture(scope="module")
def small_by_qemu(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return qemu_vmdk(tmp_path_factory.mktemp("vmdk"), pattern(MIB + 512))


def test_as_vsphere_exports_it(tmp_path: Path) -> None:
    facts, faults = check(DISK)
    assert faults == [] and facts.notes == ()
    grains = sum(any(RAW[at : at + GRAIN]) for at in range(0, len(RAW), GRAIN))
    assert facts == VmdkFacts(3, len(RAW), grains, grains * GRAIN, len(DISK), ())
    assert qemu_raw(tmp_path, DISK) == RAW  # the fixture itself is one that others read


def test_as_qemu_img_makes_it(by_qemu: bytes) -> None:
    facts, faults = check(by_qemu)
    assert faults == []
    assert (facts.capacity_bytes, facts.size_bytes, facts.grains) == (len(RAW), len(by_qemu), check(DISK)[0].grains)


@pytest.mark.parametrize("size", [512, GRAIN, GRAIN + 512, 32 * MIB, 32 * MIB + 512])
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_sizes(size: int, full: bool, tmp_path: Path) -> None:
    raw = pattern(size) if full else bytes(size)
    for disk in (vsphere_vmdk(raw), qemu_vmdk(tmp_path, raw)):
        facts, faults = check(disk)
        assert faults == [] and facts.capacity_bytes == size and len(disk) <= most_bytes(size)


@given(chunk=st.integers(1000, 200_000))
def test_chunks_of_any_size(chunk: int) -> None:
    assert check(SMALL, chunk=chunk) == check(SMALL)


@given(size=st.integers(0, len(SMALL) - 1), inflate=st.booleans())
def test_a_stream_cut_anywhere_is_told(size: int, inflate: bool) -> None:
    assert any("cut short" in fault for fault in told(SMALL[:size], inflate=inflate))


@given(share=st.floats(0, 1, exclude_max=True))
def test_qemus_disk_cut_anywhere_in_its_grains_is_told(small_by_qemu: bytes, share: float) -> None:
    size = int(share * len(small_by_qemu.rstrip(b"\0")))
    assert any("cut short" in fault for fault in told(small_by_qemu[:size], inflate=False))


@given(at=st.one_of(st.integers(0, 80), st.integers(0, len(SMALL) - 1)), bit=st.integers(0, 7), inflate=st.booleans())
@example(at=56, bit=0, inflate=False)
def test_a_flipped_bit_never_ends_badly(at: int, bit: int, inflate: bool) -> None:
    damaged = bytearray(SMALL)
    damaged[at] ^= 1 << bit
    facts, faults = check(bytes(damaged), inflate=inflate)
    assert facts.size_bytes == len(SMALL) and all(0 <= fault.offset <= len(SMALL) for fault in faults)


def test_every_bit_of_a_grain_counts() -> None:
    disk = vsphere_vmdk(pattern(GRAIN, seed=0))  # it cannot be compressed: no bit of it is there for nothing
    size = struct.unpack_from("<I", disk, FIRST + 8)[0]
    assert size > GRAIN
    for at in range(FIRST + 12, FIRST + 12 + size, 200):
        damaged = bytearray(disk)
        damaged[at] ^= 1
        assert told(bytes(damaged)) and not told(bytes(damaged), inflate=False)


@given(st.binary(max_size=5000), st.booleans())
def test_garbage(data: bytes, with_header: bool) -> None:
    assert told(DISK[:FIRST] + data if with_header else data)


def put(offset: int, layout: str, *values: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        struct.pack_into(layout, changed, offset % len(data), *values)
        return bytes(changed)

    return change


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new.ljust(len(old)), 1)


def directory(data: bytes) -> int:
    """Where the grain directory is, in bytes."""
    return int(struct.unpack_from("<Q", data, len(data) - 2 * SECTOR + 56)[0]) * SECTOR


def entry(number: int, value: int) -> Callable[[bytes], bytes]:
    return lambda data: put(directory(data) + 4 * number, "<I", value)(data)


def table_entry(place: int, value: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        table = struct.unpack_from("<I", data, directory(data))[0] * SECTOR
        return put(table + 4 * place, "<I", value)(data)

    return change


def front_entry(number: int, value: int | None) -> Callable[[bytes], bytes]:
    """An entry of a directory in front of the grains; None: what the first one is."""

    def change(data: bytes) -> bytes:
        at = struct.unpack_from("<Q", data, 56)[0] * SECTOR
        first = struct.unpack_from("<I", data, at)[0]
        return put(at + 4 * number, "<I", first if value is None else value)(data)

    return change


def again(data: bytes) -> bytes:
    """The first grain a second time, behind itself."""
    size = struct.unpack_from("<I", data, FIRST + 8)[0]
    end = FIRST + -(-(12 + size) // SECTOR) * SECTOR
    return data[:end] + data[FIRST:end] + data[end:]


def short_grain(data: bytes) -> bytes:
    packed = struct.pack("<QI", 0, 20) + zlib.compress(bytes(100))[:20]
    return data[:FIRST] + packed.ljust(SECTOR, b"\0") + data[FIRST:]


DAMAGE = {
    "magic": (put(0, "<I", 0), "0: it is no VMDK"),
    "version": (put(4, "<I", 9), "0: its version is 9"),
    "no markers": (put(8, "<I", 0x10001), "0: it is not stream-optimized"),
    "no compression": (put(77, "<H", 0), "0: it is not stream-optimized"),
    "capacity": (put(12, "<Q", 2**60), "0: its capacity of 1152921504606846976 sectors"),
    "no capacity": (put(12, "<Q", 0), "0: its capacity of 0 sectors"),
    "grain": (put(20, "<Q", 100), "0: its grains of 100 sectors"),
    "no grain": (put(20, "<Q", 0), "0: its grains of 0 sectors"),
    "tables": (put(44, "<I", 1024), "0: its grain tables have 1024 entries"),
    "a directory without end": (put(12, "<QQ", 2**36, 8), "0: its grain directory of 16777216 entries"),
    "copied as text": (put(73, "<4B", 10, 32, 10, 10), "0: its line ends were changed"),
    "overhead": (put(64, "<Q", 2**40), "0: its first grain would be at sector 1099511627776"),
    "descriptor": (put(28, "<Q", 200), "0: its descriptor lies outside"),
    "type": (
        replaced(b'"streamOptimized"', b'"monolithicFlat"'),
        "512: its descriptor says createType='monolithicFlat'",
    ),
    "parent": (replaced(b"parentCID=ffffffff", b"parentCID=12345678"), "512: its descriptor names a parent"),
    "extent": (replaced(b" SPARSE ", b" FLAT "), "512: its descriptor does not have exactly one SPARSE extent"),
    "sectors": (replaced(b"RDONLY 7", b"RDONLY 8"), "512: its descriptor has 83731 sectors, its header 73731"),
    "place of a grain": (put(FIRST, "<Q", 1), f"{FIRST}: a grain for sector 1, where none can be"),
    "grain behind the end": (put(FIRST, "<Q", 2**40), f"{FIRST}: a grain for sector 1099511627776"),
    "large grain": (put(FIRST + 8, "<I", 2**31), f"{FIRST}: a grain of 2147483648 compressed bytes"),
    "grain again": (again, "comes again, or too late"),
    "short grain": (short_grain, f"{FIRST}: the grain for sector 0 does not hold 65536 bytes"),
    "marker": (put(-SECTOR + 12, "<I", 7), "a marker of type 7 with 0 sectors"),
    "entry of a table": (table_entry(0, 5), "1 entries of the grain table name sectors where no grain begins"),
    "missing in a table": (table_entry(0, 0), "1 grains are in no grain table"),
    "entries exchanged": (
        lambda data: table_entry(1, 128)(table_entry(0, 0)(data)),
        "the grain table has grains at wrong places",
    ),
    "entry of the directory": (entry(0, 5), "entry 0 of the grain directory names sector 5, where no grain table is"),
    "no entry": (entry(1, 0), "entry 1 of the grain directory is empty, but the table is there"),
    "footer's directory": (put(-2 * SECTOR + 56, "<Q", 7), "its footer has the grain directory at sector 7"),
    "footer's capacity": (put(-2 * SECTOR + 12, "<Q", 7), "its footer has another capacity"),
    "footer": (put(-2 * SECTOR, "<I", 7), "its footer does not begin as its header does"),
    "no end": (lambda data: data[:-SECTOR], "it is cut short"),
    "no footer": (lambda data: data[: -3 * SECTOR] + bytes(SECTOR), "it has no footer"),
    "no directory": (lambda data: data[:FIRST] + marker(0, 0), "it has no grain directory"),
    "behind the end": (lambda data: data + b"x" * SECTOR, f"{len(DISK)}: something stands behind its end"),
    "half a sector behind the end": (lambda data: data + b"x", "it is cut short"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage(name: str) -> None:
    change, message = DAMAGE[name]
    damaged = change(DISK)
    assert damaged != DISK
    assert any(message in fault for fault in told(damaged)), told(damaged)


QEMU_DAMAGE = {
    "directory": (put(56, "<Q", 1000), "its grain directory lies outside"),
    "table": (front_entry(0, 9999), "entry 0 of the grain directory names sector 9999"),
    "the same table": (front_entry(1, None), "entry 1 of the grain directory names"),
    "a table among the grains": (put(FIRST, "<QII", 4, 0, 1), "a marker of type 1 among the grains"),
    "a grain nobody knows": (put(FIRST, "<Q", 128), "its grain table has grain 1 at sector"),
}


@pytest.mark.parametrize("name", QEMU_DAMAGE)
def test_damage_of_tables_in_front(name: str, by_qemu: bytes) -> None:
    change, message = QEMU_DAMAGE[name]
    damaged = change(by_qemu)
    assert damaged != by_qemu
    assert any(message in fault for fault in told(damaged)), told(damaged)


def test_a_directory_that_is_rounded_up() -> None:
    at = directory(DISK)
    longer = put(at - SECTOR, "<Q", 100)(DISK[: at + SECTOR] + bytes(99 * SECTOR) + DISK[at + SECTOR :])
    assert told(longer) == []
    longer = put(at - SECTOR, "<Q", 1000)(DISK[: at + SECTOR] + bytes(999 * SECTOR) + DISK[at + SECTOR :])
    assert "a marker of type 2 with 1000 sectors" in told(longer)[0]


def test_notes(by_qemu: bytes) -> None:
    assert check(put(4, "<I", 1)(by_qemu))[0].notes == ("its version is 1; ESXi wants 3",)
    assert check(put(72, "<B", 1)(by_qemu))[0].notes == ("whoever wrote it did not close it",)


@pytest.mark.parametrize("front", [2**40 // SECTOR, 64 * MIB // SECTOR], ids=["claims a lot", "has a lot"])
def test_what_a_hostile_disk_takes_of_memory(front: int) -> None:
    """A directory of zeros for 62 TiB, then grains until the fault."""
    head = put(12, "<Q", 62 * 2**40 // SECTOR)(put(64, "<Q", front)(put(56, "<Q", 30)(DISK[:FIRST])))
    tracemalloc.start()
    stream = VmdkStream(inflate=True)
    stream.feed(head)
    for _ in range(100):
        stream.feed(bytes(MIB))
    stream.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * MIB
