"""Sound OVAs pass; whatever is wrong with one is told with its place, all at once; nothing ends badly."""

import hashlib
import io
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from steps.domain.errors import VerifyFailed
from steps.domain.ova import tar
from steps.domain.ova.archive import Archive
from steps.domain.ova.manifest import manifest, read_manifest
from steps.domain.ova.summary import summarize
from steps.domain.ova.verify import verify
from tests.unit.domain.appliances import GRAIN, MIB, appliance, everything, ova, pattern, qemu_vmdk, vsphere_vmdk

RAW = (pattern(2 * GRAIN + 512, seed=0), pattern(3 * GRAIN, seed=2))
MADE = appliance(*map(len, RAW))
SOUND, WRITTEN = ova(MADE, {"d0": vsphere_vmdk(RAW[0]), "d1": vsphere_vmdk(RAW[1])})
Files = list[tuple[str, bytes]]


def files() -> Files:
    return [(file.name, SOUND[file.offset : file.offset + file.size_bytes]) for file in WRITTEN.files]


def packed(members: Files, *, end: bytes = tar.END) -> bytes:
    return b"".join(tar.header(name, len(data)) + data + bytes(-len(data) % 512) for name, data in members) + end


def told(data: bytes) -> list[str]:
    return [f"{fault.place}: {fault.message}" for fault in verify(io.BytesIO(data)).faults]


def summed(members: Files) -> Files:
    """The same with a manifest that fits."""
    sums = [(name, hashlib.sha256(data).hexdigest()) for name, data in members if not name.endswith(".mf")]
    return [(name, manifest(sums).encode() if name.endswith(".mf") else data) for name, data in members]


def test_the_fixture_packs_as_the_writer_does() -> None:
    assert packed(summed(files())) == SOUND


def test_a_sound_one() -> None:
    seen: list[int] = []
    verdict = verify(io.BytesIO(SOUND), seen=seen.append)
    assert verdict.faults == [] and verdict.notes == []
    assert verdict.size_bytes == len(SOUND) and seen == sorted(seen) and len(SOUND) - seen[-1] < 2048
    for file, written in zip(verdict.files, WRITTEN.files, strict=True):
        assert (file.name, file.size_bytes, file.offset) == (written.name, written.size_bytes, written.offset)
        assert file.digests["sha256"] == written.sha256


def test_disks_of_qemu_img(tmp_path: Path) -> None:
    assert told(ova(appliance(len(RAW[0])), {"d0": qemu_vmdk(tmp_path, RAW[0])})[0]) == []


@pytest.mark.parametrize(
    ("options", "faults", "note"),
    [
        (["--format=ustar"], [], ""),
        (["--format=gnu"], [], "tar's format is gnu"),
        (["--format=v7"], [], "tar's format is old"),
        (["--format=pax", "--pax-option=mtime:=1.5"], ["extended header of pax"] * 4, ""),
    ],
    ids=str,
)
def test_tars_of_others(options: list[str], faults: list[str], note: str, tmp_path: Path) -> None:
    for name, data in files():
        (tmp_path / name).write_bytes(data)
    names = [name for name, _ in files()]
    made = subprocess.run(["tar", "cf", "-", *options, *names], cwd=tmp_path, capture_output=True, check=True).stdout
    verdict = verify(io.BytesIO(made))
    assert len(verdict.faults) == len(faults) and all(
        message in str(fault) for fault, message in zip(verdict.faults, faults, strict=True)
    )
    assert len(verdict.notes) == (4 if note else 0) and all(note in each for each in verdict.notes)


def changed(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    """Replace bytes in a file, and make the manifest anew."""

    def change(members: Files) -> Files:
        assert any(old in data for each, data in members if each == name)
        return summed([(each, data.replace(old, new) if each == name else data) for each, data in members])

    return change


def damaged(members: Files) -> Files:
    """A byte of the second disk's descriptor changed, the manifest not."""
    return [(name, data.replace(b"ddb.adapter", b"ddb.adaptor") if "disk2" in name else data) for name, data in members]


def exchanged(one: int, other: int) -> Callable[[Files], Files]:
    def change(members: Files) -> Files:
        members[one], members[other] = members[other], members[one]
        return members

    return change


def sha1(members: Files) -> Files:
    lines = [f"SHA1({name})= {hashlib.sha1(data).hexdigest()}\n" for name, data in members if not name.endswith(".mf")]
    return [(name, "".join(lines).encode() if name.endswith(".mf") else data) for name, data in members]


WHOLES: dict[str, tuple[Callable[[Files], Files], list[str]]] = {
    "disk damaged": (damaged, ["box-disk2.vmdk: its sha256 is "]),
    "disks exchanged": (exchanged(2, 3), ["box-disk2.vmdk: box-disk1.vmdk belongs here, by the order of References"]),
    "manifest first": (
        exchanged(0, 1),
        ["box.mf: it stands before the descriptor box.ovf", "box.mf: the manifest must"],
    ),
    "manifest last": (lambda m: [m[0], m[2], m[3], m[1]], []),
    "manifest in between": (
        lambda m: [m[0], m[2], m[1], m[3], ("box.cert", b""), ("a.cert", b"")],
        ["box.mf: the manifest"],
    ),
    "manifest with sha1": (sha1, []),
    "no manifest": (lambda m: [m[0], m[2], m[3]], []),
    "manifest of something else": (
        lambda m: [m[0], ("box.mf", b"what?\n\nSHA256(a)= 12\n"), m[2], m[3]],
        [
            "box.mf: line 1 is not SHA256",
            "box.mf: line 3 is not",
            *[f"box.mf: it does not name {n}" for n in ("box.ovf", "box-disk1.vmdk", "box-disk2.vmdk")],
        ],
    ),
    "a disk is missing": (
        lambda m: m[:3],
        ["box.mf: it names box-disk2.vmdk, which is not", "box.ovf:5: box-disk2.vmdk is not"],
    ),
    "no descriptor": (lambda m: summed(m[2:]), [": it has no descriptor"]),
    "something more": (
        lambda m: summed([*m, ("readme.txt", b"hello")]),
        ["readme.txt: the descriptor does not refer to it"],
    ),
    "a disk twice": (
        lambda m: [*m, m[3]],
        ["box-disk2.vmdk: it is there more than once", "box-disk2.vmdk: nothing belongs"],
    ),
    "two descriptors": (
        lambda m: summed([*m, ("b.ovf", m[0][1])]),
        ["b.ovf: a second descriptor"],
    ),
    "size in the descriptor": (
        changed("box.ovf", b'ovf:size="', b'ovf:size="1'),
        ["box.ovf:4: box-disk1.vmdk has", "box.ovf:5: box-disk2.vmdk has"],
    ),
    "capacity in the descriptor": (
        changed("box.ovf", b'ovf:capacity="131584"', b'ovf:capacity="131072"'),
        ["box-disk1.vmdk: it is a disk of 131584 bytes, the descriptor says 131072"],
    ),
    "compressed": (
        changed("box.ovf", b'ovf:id="file1"', b'ovf:id="file1" ovf:compression="gzip"'),
        ["box.ovf:4: box-disk1.vmdk is compressed or cut into chunks: not checked"],
    ),
    "disk without suffix": (
        lambda m: summed([(n.replace("1.vmdk", "1.bin"), d.replace(b"1.vmdk", b"1.bin")) for n, d in m]),
        ["box-disk1.bin: disk 'vmdisk1' is in it, and it is no .vmdk: not checked"],
    ),
    "fault in the descriptor": (
        changed("box.ovf", b"<rasd:Connection>VM Network", b"<rasd:Connection>LAN"),
        ["box.ovf:80: item 7 (Network adapter 1) is in network 'LAN': there is none"],
    ),
    "descriptor is no xml": (
        lambda m: summed([("box.ovf", b"<a>\n<b></a>"), *m[1:]]),
        ["box.ovf:2: not XML: mismatched tag"],
    ),
    "disk is no disk": (
        lambda m: summed([*m[:2], (m[2][0], b"\0" * len(m[2][1])), m[3]]),
        ["box-disk1.vmdk, byte 0: it is no VMDK"],
    ),
    "everything at once": (
        lambda m: [
            m[3],
            ("box.ovf", m[0][1].replace(b"VM Network</rasd", b"LAN</rasd")),
            m[1],
            (m[2][0], m[2][1][:9000]),
        ],
        [
            "box-disk1.vmdk: its sha256",
            "box-disk1.vmdk, byte 9000: it is cut short",
            "box-disk2.vmdk: box-disk1.vmdk belongs",
            "box-disk2.vmdk: it stands before",
            "box.mf: the",
            "box.ovf: its sha256",
            "box.ovf:80: item 7",
        ],
    ),
}


@pytest.mark.parametrize("name", WHOLES)
def test_what_does_not_fit(name: str) -> None:
    change, messages = WHOLES[name]
    found = sorted(told(packed(change(files()))))
    if name == "everything at once":
        found = [each for each in found if "box-disk1.vmdk has" not in each]
    assert len(found) == len(messages), found
    for message in messages:
        assert any(each.startswith(message) for each in found), (message, found)


TARS: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "not a tar": (lambda: b"x" * 5000, ["byte 0: no tar header", ": it is no OVA"]),
    "empty": (lambda: b"", ["byte 0: the archive is cut short", ": it is no OVA"]),
    "zeros": (lambda: bytes(10240), [": it is no OVA"]),
    "no end": (lambda: packed(files(), end=b""), [f"byte {len(SOUND) - 1024}: the archive is cut short"]),
    "zeros without end": (lambda: SOUND + bytes(70 * MIB), [f"byte {len(SOUND) - 512}: more than 64 MiB of zeros"]),
    "half an end": (lambda: packed(files(), end=bytes(512)), [f"byte {len(SOUND) - 512}: the archive's end is cut"]),
    "behind the end": (
        lambda: SOUND + bytes(512) + b"x",
        [f"byte {len(SOUND)}: something stands behind the archive's"],
    ),
    "padding": (
        lambda: SOUND[: WRITTEN.files[1].offset - 520] + b"x" + SOUND[WRITTEN.files[1].offset - 519 :],
        [f"byte {WRITTEN.files[0].offset + WRITTEN.files[0].size_bytes}: what fills a file up"],
    ),
    "a folder": (
        lambda: packed([]).replace(tar.END, b"") + with_kind(tar.header("d", 0), b"5") + SOUND,
        ["byte 0: 'd' is no regular file"],
    ),
    "a giant": (
        lambda: tar.header("box.ovf", 2**80),
        ["byte 0: a file of 1208925819614629174706176 bytes", ": it is no"],
    ),
    "too many": (
        lambda: packed([("x", b"")] * 1001),
        ["byte 512000: more than 1000 files", ": it has no descr", "x: it is"],
    ),
    "large descriptor": (lambda: packed([("a.ovf", b" " * (4 * MIB + 1))]), ["a.ovf: larger than 4 MiB"]),
    "large pax header": (
        lambda: with_kind(tar.header("p", 2 * MIB), b"x") + bytes(2 * MIB) + SOUND,
        ["byte 0: an extended header of pax"],
    ),
}


def with_kind(header: bytes, kind: bytes) -> bytes:
    changed = header[:148] + b" " * 8 + kind + header[157:]
    return changed[:148] + b"%06o\0 " % sum(changed) + changed[156:]


@pytest.mark.parametrize("name", TARS)
def test_tars(name: str) -> None:
    make, messages = TARS[name]
    found = told(make())
    assert len(found) >= len(messages) and all(
        any(each.startswith(message) for each in found) for message in messages
    ), found


def test_a_size_in_a_pax_header_counts() -> None:
    record = b"16 size=5000000\n"
    data = (
        with_kind(tar.header("p", len(record)), b"x") + record.ljust(512, b"\0") + tar.header("a", 0) + bytes(5 * MIB)
    )
    archive = Archive(io.BytesIO(data))
    assert [(member.name, member.size_bytes) for member, _ in archive.members()] == [("a", 5_000_000)]


def test_members_over_8_gib_are_told() -> None:
    class Large(io.RawIOBase):
        """A header, then as many zeros as it says."""

        left = tar.header("big.bin", 8 * 2**30)

        def read(self, size: int = -1) -> bytes:
            data, self.left = self.left[:size], self.left[size:]
            return data

    verdict = verify(Large())
    assert "big.bin: 8 GiB or more, which plain ustar cannot hold" in verdict.notes
    assert any("cut short" in fault.message for fault in verdict.faults)


@settings(max_examples=500)
@given(at=st.integers(0, len(SOUND) - 1), bit=st.integers(0, 7))
@example(at=WRITTEN.files[1].offset + 20, bit=5)
@example(at=148, bit=4)
def test_no_bit_of_it_can_change_without_being_told(at: int, bit: int) -> None:
    data = bytearray(SOUND)
    data[at] ^= 1 << bit
    assert bool(told(bytes(data))) != reads_the_same(bytes(data), at)


def reads_the_same(data: bytes, at: int) -> bool:
    """A sum's digit in upper case is the same digit, and a blank before a header's sum is as good as a zero."""
    mf = WRITTEN.files[1]
    if mf.offset <= at < mf.offset + mf.size_bytes:
        texts = (each[mf.offset : mf.offset + mf.size_bytes].decode("utf-8", "replace") for each in (data, SOUND))
        return read_manifest(next(texts)) == read_manifest(next(texts))
    headers = (file.offset - 512 for file in WRITTEN.files)
    return any(
        start <= at < start + 512
        and tar.read_header(data[start : start + 512]) == tar.read_header(SOUND[start : start + 512])
        for start in headers
    )


@given(size=st.integers(0, len(SOUND) - 1))
def test_it_cannot_be_cut_without_being_told(size: int) -> None:
    assert told(SOUND[:size])


def looked_into(data: bytes) -> None:
    assert verify(io.BytesIO(data)).size_bytes <= len(data)
    try:
        summarize(io.BytesIO(data))
    except VerifyFailed as error:
        assert error.hint


@given(st.binary(max_size=4000))
def test_garbage(data: bytes) -> None:
    looked_into(data)


@given(
    st.lists(st.tuples(st.sampled_from(["a.ovf", "b.ovf", "a.mf", "b.mf", "a.vmdk", "c"]), st.binary(max_size=2000))),
    st.binary(max_size=600),
)
def test_tars_of_garbage(members: Files, end: bytes) -> None:
    looked_into(packed(members, end=end))


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=20)), max_size=5))
def test_damage_of_many_kinds(places: list[tuple[int, bytes]]) -> None:
    data = bytearray(SOUND)
    for at, replacement in places:
        data[at : at + len(replacement)] = replacement
    looked_into(bytes(data))


def test_what_a_large_one_takes_of_memory_and_time() -> None:
    raw = bytes(GRAIN - 1) + b"x"
    disk = vsphere_vmdk(raw * 4096)  # 256 MiB, nearly nothing when compressed
    data, _ = ova(appliance(len(raw) * 4096), {"d0": disk})
    file = io.BytesIO(data + bytes(60 * MIB))
    tracemalloc.start()
    started = time.monotonic()
    verdict = verify(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert verdict.faults == [] and peak < 16 * MIB and time.monotonic() - started < 60


def test_many_faults_are_not_all_told() -> None:
    lines = "".join(f"line {number}\n" for number in range(1000))
    verdict = verify(io.BytesIO(packed([*files()[:1], ("box.mf", lines.encode())])))
    assert len(verdict.faults) == 200


def test_summary() -> None:
    made = everything()
    small = tuple(disk for disk in made.hardware.ordered_disks if disk.capacity_bytes < 10 * MIB)
    made = made.model_copy(update={"hardware": made.hardware.model_copy(update={"disks": small})})
    data, written = ova(made, {disk.id: vsphere_vmdk(bytes(disk.capacity_bytes)) for disk in small})

    class NoDisks(io.BytesIO):
        """Fails when the disks are read."""

        def read(self, size: int | None = -1) -> bytes:
            at = self.tell()
            assert not any(f.offset <= at < f.offset + f.size_bytes for f in written.files if "disk" in f.name)
            return super().read(size)

    summary = summarize(NoDisks(data))
    (machine,) = summary.machines
    assert (machine.name, machine.product, machine.firmware, machine.secure_boot) == (made.name, "k3s", "efi", True)
    assert (machine.cpus, machine.cores_per_socket, machine.memory_mib, machine.eulas) == (4, 2, 4096, 2)
    assert [nic.network for nic in machine.nics] == ["R&D <lab>", "VM Network"]
    assert [disk.capacity_bytes for disk in summary.disks] == [1536, 4 * MIB]
    sums = {file.name: file.sha256 for file in written.files if not file.name.endswith(".mf")}
    assert {file.name: file.sha256 for file in summary.files if file.sha256} == sums
    assert len(machine.properties) == 7 and "Floppy Drive 1 (vmware.floppy.remotedevice)" in machine.devices
