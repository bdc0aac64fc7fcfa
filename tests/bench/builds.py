"""What building an image takes besides the guest's own installing: typing, waiting, and everything around."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from steps.clients.vsphere import VSphere, console, machines
from steps.clients.vsphere.inventory import Site, locate
from steps.clients.vsphere.machines import Vm
from steps.clients.vsphere.properties import read, wait_for
from steps.domain import bootcommand
from steps.domain.bootcommand import Pace
from steps.domain.errors import TimedOut
from steps.domain.image.plan import Place
from steps.domain.image.vm import Mark, Origin
from tests.bench.page import Part, Row
from tests.e2e import images
from tests.e2e.hera import hera
from tests.e2e.images import BY_FLOPPY, ISO, Desk
from tests.lab import here
from tests.lab.vcenter.fixture import environment, logged_in, plan_in
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, installer_iso

NETWORK = here.network_for_tests("n", 11)
KEYS = 200
BOOT_WAIT_S = 10.0
IDLE_S = 60.0
PACKER = Pace(batch_size=1, interval_s=0.1)
BEGIN, END = "<tab> text x=", "<enter>"
LINE = "the-line-of-a-kernel-is-typed/letter.by.letter_with:keys+shift=" * 4
SEEN = "command line: "
SEEN_WITHIN_S = 60.0


def measure() -> Part:
    """A build, keys at a real prompt at two paces, and a minute of waiting."""
    with (
        tempfile.TemporaryDirectory(prefix="herasphere-bench-") as name,
        images.desk(Path(name), NETWORK, "127.0.0.2") as desk,
    ):
        build = _build(desk)
        with logged_in(desk.vc) as vsphere:
            site = locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE))
            rows = [_typing(desk, site), build, _waiting(desk, vsphere, site)]
    return Part(
        "Building images", rows, "The aims: 5 s for 200 keys with none lost, 20 s of a build besides the guest's own."
    )


def _typing(desk: Desk, site: Site) -> Row:
    ours_s, peer_s = (_typed(desk, site, pace) for pace in (Pace(), PACKER))
    return Row(
        f"{KEYS} keys at a real boot prompt, each of which arrives",
        f"{ours_s:.1f} s, eight keys a call",
        f"{peer_s:.1f} s, one call a key at 100 ms, as Packer types",
        f"{peer_s / ours_s:.1f} times faster",
    )


def _typed(desk: Desk, site: Site, pace: Pace) -> float:
    """Seconds for the keys; the kernel's command line proves that they arrived."""
    text = LINE[: KEYS - len(bootcommand.parse([BEGIN + END]))]
    batches = bootcommand.batches(bootcommand.parse([BEGIN + text + END]), pace)
    with _machine(desk, site) as vm:
        time.sleep(BOOT_WAIT_S)
        started = time.perf_counter()
        for batch in batches:
            called = time.perf_counter()
            console.press(vm, batch)
            time.sleep(max(0.0, batch.pause_s - (time.perf_counter() - called)))
        seconds = time.perf_counter() - started
        name, ends = vm.look().name, time.monotonic() + SEEN_WITHIN_S
        while SEEN not in desk.vc.console(name):
            if time.monotonic() > ends:
                raise TimeoutError("no kernel has told its command line")
            time.sleep(0.5)
        line = desk.vc.console(name).partition(SEEN)[2].splitlines()[0]
        if f"x={text}" not in line.split():
            raise RuntimeError(f"keys were lost: {line}")
    return seconds


@contextmanager
def _machine(desk: Desk, site: Site) -> Iterator[Vm]:
    """A VM that starts the installer's ISO; it is gone afterwards."""
    (desk.vc.datastore_folder / ISO).write_bytes(installer_iso().read_bytes())
    folder = desk.folder / "machine"
    folder.mkdir(exist_ok=True)
    plan = plan_in(folder, desk.vc)
    path = f"[{DATASTORE}] {ISO}"
    vm = machines.create(site, "bench", plan.machine, Mark(run="bench", name="bench"), Origin(), media=[path])
    try:
        vm.power_on()
        yield vm
    finally:
        vm.power_off()
        vm.destroy()


def _build(desk: Desk) -> Row:
    """What a build takes, less the wait for the boot prompt and for the guest's installation."""
    file = desk.image("built", provision=[{"script": "provision.sh", "environment": {"WHO": "bench"}}], **BY_FLOPPY)
    words = ("run", "build-image", "-f", desk.common, "-f", file, "--media-address", NETWORK.host_address, "--json")
    started = time.perf_counter()
    said = hera(desk.folder, *words, timeout_s=400, **environment(desk.vc))
    whole_s = time.perf_counter() - started
    if said.code:
        raise RuntimeError(said.err)
    guest_s = BOOT_WAIT_S + _duration_s([json.loads(line) for line in said.out.splitlines()], "wait-for-guest")
    return Row(
        "a build of an image, from the command to the end",
        f"{whole_s:.0f} s",
        f"{guest_s:.0f} s of it the guest's own: to its boot prompt, and its installation",
        f"{whole_s - guest_s:.0f} s more",
    )


def _duration_s(events: list[dict[str, Any]], step: str) -> float:
    at = {event["kind"]: event["at"] for event in events if event["template"] == step}
    return float(at["node-finished"] - at["node-started"])


def _waiting(desk: Desk, vsphere: VSphere, site: Site) -> Row:
    """CPU of this process while it waits for a guest that never comes, and while it asks each second."""
    with _machine(desk, site) as vm:
        before = time.process_time()
        with suppress(TimedOut):
            wait_for(
                vsphere, vm.object, ["guest.ipAddress"], lambda _: None, timeout_s=IDLE_S, what="-", where="-", hint="-"
            )
        ours_s = time.process_time() - before
        before, ends = time.process_time(), time.monotonic() + IDLE_S
        while time.monotonic() < ends:
            read(vsphere, vm.object, "guest.ipAddress")
            time.sleep(1)
        peer_s = time.process_time() - before
    return Row(
        f"CPU while {IDLE_S:.0f} s pass without a guest",
        f"{ours_s * 1000:.0f} ms, told of changes",
        f"{peer_s * 1000:.0f} ms, asking each second",
        f"{peer_s / ours_s:.0f} times less",
    )
