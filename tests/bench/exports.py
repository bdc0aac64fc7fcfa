"""An OVA out of a lease of the simulated vCenter, beside "download to a folder, then pack", as Packer's users do it."""

import random
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steps.clients.vsphere import imports, leases
from steps.clients.vsphere.imports import Wanted
from steps.clients.vsphere.inventory import locate
from steps.clients.vsphere.leases import Lease
from steps.clients.vsphere.machines import Vm
from steps.domain.image.plan import Place
from steps.domain.image.vm import Mark
from steps.domain.ova import FileTarget, OvaWriter
from steps.domain.ovf import Appliance
from tests.bench.ova import Cost, Streams, download_then_pack, one_pass
from tests.bench.page import Part, Row
from tests.lab.vcenter.fixture import logged_in
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, NETWORK, vcenter
from tests.unit.domain.appliances import MIB, appliance

DISK_BYTES = 1024 * MIB
RANDOM_BYTES = 700 * MIB  # which no compression makes smaller; the rest is zeros
TIMES = 3


def measure() -> Part:
    """Both ways from the same VM, one after the other, several times."""
    with tempfile.TemporaryDirectory(prefix="herasphere-bench-") as name, _exported(Path(name)) as (vm, made):
        ours, peers = [], []
        for _ in range(TIMES):
            ours.append(_cost(vm, made, Path(name), is_ours=True))
            peers.append(_cost(vm, made, Path(name), is_ours=False))
    our_s, peer_s = (statistics.median(cost.seconds for cost in costs) for costs in (ours, peers))
    size = f"{ours[0].ova_bytes / MIB:.0f} MiB"
    time_row = Row(
        f"wall time from a ready lease to a synced OVA of {size}",
        f"{our_s:.2f} s in one pass",
        f"{peer_s:.2f} s to download the disk, sum it and pack it with tarfile (median of {TIMES})",
        f"{our_s / peer_s:.2f} of the time",
    )
    bytes_row = Row(
        "bytes written to files for each byte of the OVA",
        f"{ours[0].written_per_byte:.3f}",
        f"{peers[0].written_per_byte:.3f}",
        f"{ours[0].written_bytes / peers[0].written_bytes:.2f} of the bytes",
    )
    return Part("OVA exports", [time_row, bytes_row], "The aims: 0.6 of the time, 1.05 bytes for a byte.")


@contextmanager
def _exported(folder: Path) -> Iterator[tuple[Vm, Appliance]]:
    """A VM with a disk that was imported, and what its OVA is to say."""
    made = appliance(DISK_BYTES)
    with vcenter(folder / "vc") as vc, logged_in(vc) as vsphere:
        site = locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE))
        with _ova(folder, made).open("rb") as file:
            wanted = Wanted("exported", Mark(run="bench", name="exported"), {}, NETWORK)
            vm = imports.deploy(site, file, wanted)
        yield vm, made


def _ova(folder: Path, made: Appliance) -> Path:
    raw, vmdk, path = folder / "disk.raw", folder / "disk.vmdk", folder / "import.ova"
    generator = random.Random(1)
    with raw.open("wb") as file:
        for _ in range(RANDOM_BYTES // MIB):
            file.write(generator.randbytes(MIB))
        file.truncate(DISK_BYTES)
    convert = ["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", str(raw), str(vmdk)]
    subprocess.run(convert, check=True)
    with path.open("wb") as out, vmdk.open("rb") as stream:
        writer = OvaWriter(FileTarget(out), made)
        [disk_id] = made.disk_files
        with writer.disk(disk_id) as disk:
            for chunk in iter(lambda: stream.read(MIB), b""):
                disk.write(chunk)
        writer.finish()
    raw.unlink()
    vmdk.unlink()
    return path


def _cost(vm: Vm, made: Appliance, folder: Path, *, is_ours: bool) -> Cost:
    with tempfile.TemporaryDirectory(dir=folder) as name, leases.exporting(vm, vm.hardware()) as lease:
        [ours], [theirs] = made.disk_files, lease.disks
        streams: Streams = {ours: lambda: _chunks(lease, theirs)}
        return (one_pass if is_ours else download_then_pack)(made, streams, Path(name))


def _chunks(lease: Lease, disk_id: str) -> Iterator[bytes]:
    with lease.stream(disk_id) as chunks:
        yield from chunks
