"""A rack of servers in this process, installed by Argo: how long, how many pods, how much memory, how large objects."""

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.page import Part, Row
from tests.e2e.cluster.running import ARGO, ask, deploy, installing, kubernetes
from tests.lab.inprocess.options import Delays
from tests.lab.inprocess.site import Wanted
from tests.lab.kube.fixture import shared_cluster

HOSTS = int(os.environ.get("RACK_HOSTS", "200"))
AT_ONCE = 10  # the table's default
LOOK_EVERY_S = 2.0
PROGRAMS = ("workflow-controller", "kube-apiserver", "etcd")
STAGES_OF_A_HOST = 7


@dataclass
class Seen:
    """The most there was at any time: bytes of each program's memory, pods that were not over."""

    memory: dict[str, int] = field(default_factory=dict)
    pods: int = 0

    def look(self) -> None:
        for name in PROGRAMS:
            self.memory[name] = max(self.memory.get(name, 0), _resident(name))
        pods = kubernetes("GET", "pods", fieldSelector="status.phase!=Succeeded,status.phase!=Failed")["items"]
        self.pods = max(self.pods, len(pods))


def measure() -> Part:
    """HOSTS servers whose installers take no time of their own, so that what is left is the engine's."""
    quick = Delays(post_s=0, install_s=0, start_s=0)
    with tempfile.TemporaryDirectory() as name, shared_cluster() as cluster:
        folder = Path(name)
        deploy(folder, cluster)
        rack = [Wanted(delays=quick) for _ in range(HOSTS)]
        with installing(folder, *rack, rollout={"limit": AT_ONCE}) as made, _watched() as seen:
            began = time.monotonic()
            said = ask(folder, "submit", "install-hosts", "-f", made.table, "--yes", "--watch", "--json", within_s=7200)
            took_s = time.monotonic() - began
        assert said.code == 0, said.err
        run = said.events("workflow-finished")[-1]["workflow"]
        sizes = _sizes(run)
    return Part(f"{HOSTS} hosts on one node", _rows(took_s, seen, sizes), REMARKS)


def _rows(took_s: float, seen: Seen, sizes: tuple[int, int]) -> list[Row]:
    pods = HOSTS * STAGES_OF_A_HOST
    run_kib, host_kib = (size / 1024 for size in sizes)
    memory = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in seen.memory.items())
    return [
        Row(
            f"{HOSTS} hosts, {AT_ONCE} at a time, servers that take no time",
            f"{took_s / 60:.1f} min",
            f"{pods} pods one after the other, {took_s / pods:.2f} s each",
            f"{HOSTS / took_s * 3600:.0f} hosts an hour",
        ),
        Row("pods at the same time, at most", str(seen.pods), "110 a node is Kubernetes' default", "-"),
        Row("memory at its peak", memory, "-", "-"),
        Row(
            "size of the Workflow objects",
            f"{run_kib:.0f} KiB the run's, {host_kib:.0f} KiB the largest host's",
            "etcd takes 1,536 KiB",
            f"{1536 / max(run_kib, host_kib):.0f} times smaller",
        ),
    ]


REMARKS = """The run's own Workflow holds the table and one step for all hosts, so it grows with the table alone; each
host's is of one size. What limits a run is the pods that the nodes can start in a second, and the rollout's limit."""


@contextmanager
def _watched() -> Iterator[Seen]:
    seen, over = Seen(), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            seen.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _resident(name: str) -> int:
    """Bytes of memory of the processes of this name."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:  # it has ended
            continue
        if words["Name"].strip() == name[:15]:
            total += int(words.get("VmRSS", "0 kB").split()[0]) * 1024
    return total


def _sizes(run: str) -> tuple[int, int]:
    """Bytes of the run's own Workflow, and of the largest of its hosts'."""
    ours = kubernetes("GET", f"{ARGO}:workflows", labelSelector=f"herasphere/run={run}")["items"]
    sizes = {each["metadata"]["name"]: len(json.dumps(each)) for each in ours}
    own = sizes.pop(run)
    return own, max(sizes.values())
