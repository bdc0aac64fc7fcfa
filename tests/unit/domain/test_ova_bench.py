"""The bench's two ways to an OVA make the same one, but for its head; only one of them writes everything twice."""

from collections.abc import Iterator
from pathlib import Path

from steps.domain.ova.verify import verify
from tests.bench.ova import download_then_pack, one_pass
from tests.unit.domain.appliances import MIB, appliance, pattern, vsphere_vmdk

RAW = {"d0": pattern(16 * MIB), "d1": pattern(8 * MIB, seed=2)}
DISKS = {name: vsphere_vmdk(raw) for name, raw in RAW.items()}


def test_both_ways(tmp_path: Path) -> None:
    def stream(disk: bytes) -> Iterator[bytes]:
        for start in range(0, len(disk), 65536):
            yield disk[start : start + 65536]

    made = appliance(*map(len, RAW.values()))
    streams = {name: lambda disk=disk: stream(disk) for name, disk in DISKS.items()}
    ours, peers = one_pass(made, streams, tmp_path), download_then_pack(made, streams, tmp_path)
    for name in ("one-pass.ova", "packed.ova"):
        with (tmp_path / name).open("rb") as file:
            assert verify(file).faults == []
    assert ours.written_per_byte < 1.05 and peers.written_per_byte > 1.9
