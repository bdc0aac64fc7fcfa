"""An OVA comes out of one pass, the same bytes each time, and others read it."""

import hashlib
import io
import subprocess
import tarfile
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.domain.errors import Unavailable, VerifyFailed
from steps.domain.ova import FileTarget, OvaWriter, PartsTarget, WrittenOva, most_bytes, tar
from steps.domain.ovf import Appliance
from tests.unit.domain.appliances import MIB, appliance, ova, pattern, qemu_raw, qemu_vmdk, vsphere_vmdk

RAW = {"d0": pattern(3 * MIB + 512), "d1": pattern(2 * MIB, seed=2), "d2": bytes(MIB)}
DISKS = {name: vsphere_vmdk(raw) for name, raw in RAW.items()}
MADE = appliance(*map(len, RAW.values()))


class Counting(io.BytesIO):
    """Counts what is written."""

    written = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += len(data)
        return super().write(data)


def written_in_parts(made: Appliance, disks: dict[str, bytes], part_bytes: int) -> tuple[list[int], bytes, WrittenOva]:
    """The parts' numbers in the order of their upload, the bytes they make, what was written."""
    parts: dict[int, bytes] = {}

    def upload(number: int, data: bytes) -> None:
        assert number not in parts
        parts[number] = data

    target = PartsTarget(upload, part_bytes=part_bytes)
    writer = OvaWriter(target, made)
    for disk_id, data in disks.items():
        with writer.disk(disk_id) as disk:
            for start in range(0, len(data), 4096):
                disk.write(data[start : start + 4096])
    written = writer.finish()
    target.close()
    whole = [parts[number] for number in sorted(parts)]
    assert all(len(part) == part_bytes for part in whole[:-1]) and 0 < len(whole[-1]) <= part_bytes
    return list(parts), b"".join(whole), written


def test_tar_and_sha256sum_read_it(tmp_path: Path) -> None:
    data, written = ova(MADE, DISKS)
    (tmp_path / "box.ova").write_bytes(data)
    listed = subprocess.run(["tar", "tf", "box.ova"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["box.ovf", "box.mf", "box-disk1.vmdk", "box-disk2.vmdk", "box-disk3.vmdk"]
    assert listed.stderr == ""
    subprocess.run(["tar", "xf", "box.ova"], cwd=tmp_path, check=True)
    lines = (tmp_path / "box.mf").read_text().replace("SHA256(", "SHA256 (").replace(")=", ") =")
    checked = subprocess.run(["sha256sum", "--check", "--strict"], cwd=tmp_path, input=lines, text=True, check=False)
    assert checked.returncode == 0
    assert len(lines.splitlines()) == 4
    for number, raw in enumerate(RAW.values(), 1):
        assert qemu_raw(tmp_path, (tmp_path / f"box-disk{number}.vmdk").read_bytes()) == raw
    for file in written.files:
        member = data[file.offset : file.offset + file.size_bytes]
        assert hashlib.sha256(member).hexdigest() == file.sha256 and member == (tmp_path / file.name).read_bytes()
    assert written.size_bytes == len(data) and written.notes == ()


def test_disks_made_by_qemu_img_come_through(tmp_path: Path) -> None:
    disk = qemu_vmdk(tmp_path, RAW["d0"])
    data, written = ova(appliance(len(RAW["d0"])), {"d0": disk})
    assert data[written.files[2].offset :][: len(disk)] == disk


def test_plain_ustar_as_gnu_tar_makes_it_with_nothing_that_tells_of_this_machine(tmp_path: Path) -> None:
    data, written = ova(MADE, DISKS)
    names = [file.name for file in written.files]
    for file in written.files:
        (tmp_path / file.name).write_bytes(data[file.offset : file.offset + file.size_bytes])
    options = ["--format=ustar", "--numeric-owner", "--owner=0", "--group=0", "--mode=0644", "--mtime=@0"]
    peer = subprocess.run(["tar", "cf", "-", "-b1", *options, *names], cwd=tmp_path, capture_output=True, check=True)
    assert data == peer.stdout


def test_same_input_same_bytes_however_it_comes() -> None:
    data, _ = ova(MADE, DISKS)
    assert data == ova(MADE, DISKS, chunk=7777)[0]


def test_every_byte_is_written_once_but_for_the_head() -> None:
    file = Counting()
    writer = OvaWriter(FileTarget(file), MADE)
    for disk_id, data in DISKS.items():
        with writer.disk(disk_id) as disk:
            disk.write(data)
    size = writer.finish().size_bytes
    head = size - sum(map(len, DISKS.values()))
    assert size <= file.written <= size + head


def test_nothing_reads_it_as_an_ova_before_it_is_finished() -> None:
    file = io.BytesIO()
    writer = OvaWriter(FileTarget(file), MADE)
    with writer.disk("d0") as disk:
        disk.write(DISKS["d0"])
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        assert archive.getnames() == []


def test_a_file_that_stands_somewhere() -> None:
    file = io.BytesIO(b"before")
    file.seek(6)
    writer = OvaWriter(FileTarget(file), appliance(len(RAW["d2"])))
    with writer.disk("d0") as disk:
        disk.write(DISKS["d2"])
    writer.finish()
    assert file.getvalue() == b"before" + ova(appliance(len(RAW["d2"])), {"d0": DISKS["d2"]})[0]


@given(part_bytes=st.integers(600, 3 * MIB))
def test_in_parts_as_for_s3(part_bytes: int) -> None:
    data, written = ova(MADE, DISKS)
    order, joined, told = written_in_parts(MADE, DISKS, part_bytes)
    assert joined == data and told == written
    head = written.files[2].offset
    if part_bytes > head and len(order) > 1:
        assert order[-2] == 1  # the head is filled at the end, and what is left goes behind it


def test_parts_in_memory_are_few() -> None:
    held = []
    target = PartsTarget(lambda number, data: None, part_bytes=64 * 1024)
    writer = OvaWriter(target, MADE)
    for disk_id, data in DISKS.items():
        with writer.disk(disk_id) as disk:
            for start in range(0, len(data), 4096):
                disk.write(data[start : start + 4096])
                held.append(len(target._parts))
    assert max(held) <= 3


def test_a_place_that_was_never_filled_is_told() -> None:
    target = PartsTarget(lambda number, data: None, part_bytes=100)
    target.reserve(10)
    with pytest.raises(ValueError, match="never filled"):
        target.close()


def test_disks_come_from_threads_and_wait_for_their_turn() -> None:
    file = io.BytesIO()
    writer = OvaWriter(FileTarget(file), MADE)
    started = threading.Barrier(3)

    def export(disk_id: str) -> None:
        started.wait()
        with writer.disk(disk_id) as disk:
            disk.write(DISKS[disk_id])

    threads = [threading.Thread(target=export, args=[disk_id]) for disk_id in reversed(DISKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    writer.finish()
    assert file.getvalue() == ova(MADE, DISKS)[0]


def test_who_waits_is_told_when_a_disk_before_fails() -> None:
    writer = OvaWriter(FileTarget(io.BytesIO()), MADE)
    caught: list[BaseException] = []

    def export() -> None:
        try:
            with writer.disk("d1"):
                pass
        except VerifyFailed as error:
            caught.append(error)

    thread = threading.Thread(target=export)
    thread.start()
    with pytest.raises(ConnectionResetError), writer.disk("d0"):
        raise ConnectionResetError
    thread.join(60)
    assert "another disk could not be written" in str(caught[0])
    with pytest.raises(VerifyFailed, match=r"disks are missing: box-disk1\.vmdk, box-disk2\.vmdk"):
        writer.finish()


class Spools:
    """Makes spools, and remembers them."""

    def __init__(self) -> None:
        self.made: list[tempfile.SpooledTemporaryFile[bytes]] = []

    def __call__(self) -> "tempfile.SpooledTemporaryFile[bytes]":
        self.made.append(tempfile.SpooledTemporaryFile(max_size=100_000))  # noqa: SIM115 (the writer closes it)
        return self.made[-1]


@given(order=st.permutations(list(DISKS)), chunk=st.integers(3000, 300_000))
def test_with_a_spool_the_order_in_which_disks_come_does_not_matter(order: list[str], chunk: int) -> None:
    file, spools = io.BytesIO(), Spools()
    writer = OvaWriter(FileTarget(file), MADE, spool=spools)
    with ExitStack() as stack:
        disks = {disk_id: stack.enter_context(writer.disk(disk_id)) for disk_id in reversed(DISKS)}
        left = {disk_id: DISKS[disk_id] for disk_id in order}
        while any(left.values()):  # all of them at once, chunk by chunk
            for disk_id in order:
                disks[disk_id].write(left[disk_id][:chunk])
                left[disk_id] = left[disk_id][chunk:]
    written = writer.finish()
    assert (file.getvalue(), written) == ova(MADE, DISKS)
    assert len(spools.made) == 3 and all(spool.closed for spool in spools.made)


def test_with_a_spool_no_thread_waits_for_another_while_its_stream_lasts() -> None:
    """Every disk is half read when any of them may go on."""
    file, halves = io.BytesIO(), threading.Barrier(3)
    writer = OvaWriter(FileTarget(file), MADE, spool=Spools())

    def export(disk_id: str) -> None:
        data = DISKS[disk_id]
        with writer.disk(disk_id) as disk:
            disk.write(data[: len(data) // 2])
            halves.wait(60)
            disk.write(data[len(data) // 2 :])

    threads = [threading.Thread(target=export, args=[disk_id]) for disk_id in DISKS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not halves.broken
    writer.finish()
    assert file.getvalue() == ova(MADE, DISKS)[0]


def test_with_a_spool_a_failure_of_one_ends_the_others_and_leaves_no_spool() -> None:
    spools = Spools()
    writer = OvaWriter(FileTarget(io.BytesIO()), MADE, spool=spools)
    with pytest.raises(VerifyFailed, match="another disk could not be written"), writer.disk("d1") as second:
        second.write(DISKS["d1"][:70_000])
        with pytest.raises(ConnectionResetError), writer.disk("d0") as first:
            first.write(DISKS["d0"][:70_000])
            raise ConnectionResetError
        second.write(DISKS["d1"][70_000:])
    assert len(spools.made) == 2 and all(spool.closed for spool in spools.made)


def test_a_disk_is_written_once() -> None:
    writer = OvaWriter(FileTarget(io.BytesIO()), MADE)
    with writer.disk("d0") as disk:
        disk.write(DISKS["d0"])
    with pytest.raises(VerifyFailed, match="written already"), writer.disk("d0"):
        pass


def test_a_stream_that_ends_early_may_be_tried_again() -> None:
    writer = OvaWriter(FileTarget(io.BytesIO()), MADE)
    with pytest.raises(Unavailable, match="the disk's stream ended after 70000 bytes"), writer.disk("d0") as disk:
        disk.write(DISKS["d0"][:70_000])


def test_an_error_page_is_no_disk() -> None:
    writer = OvaWriter(FileTarget(io.BytesIO()), MADE)
    with pytest.raises(VerifyFailed, match="it is no VMDK"), writer.disk("d0") as disk:
        disk.write(b"<html>not found</html>".ljust(512))


def test_a_disk_of_another_size_than_the_machine_has() -> None:
    writer = OvaWriter(FileTarget(io.BytesIO()), appliance(len(RAW["d0"]) + 512))
    told = "the disk has 3146240 bytes, the machine's settings say 3146752"
    with pytest.raises(VerifyFailed, match=told), writer.disk("d0") as disk:
        disk.write(DISKS["d0"])


def test_what_it_takes_at_the_most() -> None:
    random = {disk_id: hashlib.shake_128(disk_id.encode()).digest(len(raw)) for disk_id, raw in RAW.items()}
    size = len(ova(MADE, {disk_id: vsphere_vmdk(raw) for disk_id, raw in random.items()})[0])
    assert size <= most_bytes(MADE) < 2 * size + 4 * MIB


def test_tar_reads_members_over_8_gib(tmp_path: Path) -> None:
    """A sparse file: tar skips what it does not list."""
    size = 9 * 2**30 + 1
    with (tmp_path / "big.tar").open("wb") as file:
        file.write(tar.header("big.vmdk", size))
        file.seek(512 + size + tar.padding(size))
        file.write(tar.header("small", 0) + tar.END)
    listed = subprocess.run(["tar", "tvf", "big.tar"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.split()[2] for line in listed.stdout.splitlines()] == [str(size), "0"] and listed.stderr == ""


@pytest.mark.parametrize("size", [0, 1, 511, 8**11 - 1, 8**11, 2**50])
def test_sizes_in_headers_as_others_read_them(size: int) -> None:
    block = tar.header("a.vmdk", size)
    assert tarfile.TarInfo.frombuf(block, "utf-8", "strict").size == size
    read = tar.read_header(block)
    assert isinstance(read, tar.Member) and read.size_bytes == size
    assert (block[124] == 0x80) == (size >= 8 * 2**30)


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_names_tar_cannot_hold(name: str) -> None:
    with pytest.raises(ValueError, match="tar cannot hold"):
        tar.header(name, 0)
