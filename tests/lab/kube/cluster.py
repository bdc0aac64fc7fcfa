"""The lab's cluster: Kubernetes with Argo, one node on this machine, without a registry or a network outside."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.build import Say
from tests.lab.kube import argo, host, storage
from tests.lab.kube.build import programs
from tests.lab.kube.containerd import Containerd
from tests.lab.kube.images import images
from tests.lab.kube.layout import API_URL, ARGO_NAMESPACE, ARGO_URL, DEFAULT_FOLDER, NODE, Layout
from tests.lab.kube.node import CONTROL_PLANE, command, write_settings
from tests.lab.kube.pki import make_certificates, write_kubeconfig
from tests.lab.kube.processes import ClusterFailed, Process, Processes, kill, run, with_argument

NAMESPACE_HOLDER = "mount-namespace"
PROGRAMS = (*CONTROL_PLANE, NAMESPACE_HOLDER, "containerd", "kubelet", "kube-proxy")
READY_S = 120


class Cluster:
    """The cluster kept in a folder. There can be one on a machine; it outlives who brings it up."""

    argo_server_url = ARGO_URL
    api_url = API_URL

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        *,
        say: Say = lambda text: print(text, file=sys.stderr),
        requeue: str = "1s",
    ) -> None:
        """requeue: how long Argo's controller waits before it looks at a workflow again (Argo's own default is 10s)"""
        self.layout = Layout(folder.resolve())
        self.kubeconfig = self.layout.kubeconfig
        self.argo_server_ca = self.layout.ca
        self._say = say
        self._requeue = requeue
        self._processes = Processes(self.layout.processes, self.layout.logs)
        self._containerd = Containerd(self.layout.containerd_socket)

    def up(self) -> None:
        """The node is ready, volumes are there, Argo's controller and server run. Up already: volumes are freed."""
        if reason := why_not_here():
            raise ClusterFailed(reason)
        if self.is_up:
            self._free_volumes()
            self._say(f"the cluster is up already: {self.kubeconfig}")
            return
        self.down()
        host.refuse_another()
        built = programs(self._say)
        archives = images(built, self._say)
        began = time.monotonic()
        self.layout.folder.mkdir(parents=True, exist_ok=True)
        self._remember(built.bin)
        try:
            make_certificates(self.layout)
            write_settings(self.layout)
            host.prepare(self.layout)
            self._start_programs(archives)
            self._apply(storage.manifests(self.layout))
            self._apply(argo.manifests(built.argo_manifests, self.layout, self._requeue))
            self.wait_controller()
            self.kubectl("-n", ARGO_NAMESPACE, "rollout", "status", f"deployment/{argo.SERVER_NAME}", "--timeout=120s")
        except BaseException:
            self.down()
            raise
        self._say(f"the cluster is up after {time.monotonic() - began:.0f} s: KUBECONFIG={self.kubeconfig}")

    def down(self) -> None:
        """No process, mount, interface, rule or cgroup of it is left, and no file but logs. Twice is fine."""
        self._processes.end("kubelet", "kube-proxy")
        if self.layout.host_before.exists():
            kill(host.pod_processes, "processes of pods")
        self._processes.end("containerd")
        kill(lambda: with_argument("containerd-shim", str(self.layout.containerd_socket)), "containerd's shims")
        self._processes.end(*reversed(CONTROL_PLANE), NAMESPACE_HOLDER)
        host.restore(self.layout)
        for path in self.layout.folder.iterdir() if self.layout.folder.exists() else ():
            if path != self.layout.logs:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    @property
    def is_up(self) -> bool:
        """Every program runs and the node is ready; a busy one gets time, as it is taken down for a no."""
        kubelet = self._processes.of("kubelet")
        if kubelet is None or not all(runs for _, runs in self.status()):
            return False
        try:
            _wait(kubelet, self._node_is_ready)
        except ClusterFailed:
            return False
        return True

    def status(self) -> list[tuple[str, bool]]:
        """Each program, and whether it runs."""
        found = [(name, self._processes.of(name)) for name in PROGRAMS]
        return [(name, process is not None and process.runs) for name, process in found]

    def processes(self) -> list[Process]:
        """The programs that run."""
        return [process for process in self._processes.all() if process.runs]

    def kubectl(self, *arguments: str, given: str | None = None, timeout_s: float = 180) -> str:
        """What kubectl says, as administrator. given: its standard input"""
        return run(
            [str(self.bin / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments], given=given, timeout_s=timeout_s
        )

    @property
    def bin(self) -> Path:
        """The folder with kubectl, argo and the others."""
        try:
            return Path(json.loads(self._memory.read_text())["bin"])
        except FileNotFoundError as error:
            raise ClusterFailed(f"no cluster is up in {self.layout.folder} (make lab-cluster)") from error

    def load_image(self, archive: Path, name: str) -> str:
        """The image of this archive is on the node; returns its reference by digest (imagePullPolicy: IfNotPresent)."""
        return self._containerd.load(archive, name)

    def user_kubeconfig(self, name: str, token: str, namespace: str = "default") -> Path:
        """A kubeconfig for who has this token, of a ServiceAccount for instance."""
        path = self.layout.folder / "kubeconfigs" / name
        write_kubeconfig(path, self.layout.ca, name, token, namespace)
        return path

    def kill_controller(self) -> None:
        """Argo's controller has died without a word. The cluster starts it again: see wait_controller."""
        words = ["-n", ARGO_NAMESPACE, "get", "pods", "-l", f"app={argo.CONTROLLER_NAME}"]
        told = self.kubectl(*words, "-o", "jsonpath={.items[0].status.containerStatuses[0].containerID}")
        os.kill(self._containerd.pid_of(told.removeprefix("containerd://")), signal.SIGKILL)

    def wait_controller(self) -> None:
        """Argo's controller runs."""
        self.kubectl("-n", ARGO_NAMESPACE, "rollout", "status", f"deployment/{argo.CONTROLLER_NAME}", "--timeout=120s")

    @property
    def _memory(self) -> Path:
        return self.layout.folder / "cluster.json"

    def _remember(self, programs_folder: Path) -> None:
        self._memory.write_text(json.dumps({"bin": str(programs_folder)}))

    def _start_programs(self, archives: dict[str, Path]) -> None:
        holder = self._processes.start(NAMESPACE_HOLDER, host.mount_namespace_command(self.layout))
        _wait(holder, self.layout.namespace.exists)
        containerd = self._start("containerd", inside=holder)
        self._start("etcd")
        api = self._start("kube-apiserver")
        _wait(containerd, self._containerd.answers)
        for name, archive in archives.items():
            self._containerd.load(archive, name)
        _wait(api, lambda: self.kubectl("get", "--raw", "/readyz") == "ok")
        self._start("kube-controller-manager")
        self._start("kube-scheduler")
        kubelet = self._start("kubelet", inside=holder)
        self._start("kube-proxy")
        _wait(kubelet, self._node_is_ready)

    def _free_volumes(self) -> None:
        """Volumes whose claim is gone are empty and free for another."""
        for name in storage.released(json.loads(self.kubectl("get", "pv", "-o", "json"))):
            self.kubectl("delete", "pv", name)
            shutil.rmtree(self.layout.volumes / name, ignore_errors=True)
        self._apply(storage.manifests(self.layout))

    def _start(self, name: str, *, inside: Process | None = None) -> Process:
        return self._processes.start(name, command(name, self.layout, self.bin), inside=inside)

    def _node_is_ready(self) -> bool:
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "node", NODE, "-o", f"jsonpath={ready}", timeout_s=20) == "True"

    def _apply(self, manifests: list[argo.Manifest]) -> None:
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        self.kubectl("apply", "--server-side", "-f", "-", given=given)


def why_not_here() -> str:
    """The reason why no cluster can run on this machine, "" when it can."""
    if os.geteuid() != 0:
        return "the cluster needs root: run it with sudo"
    missing = host.missing_commands()
    return f"the cluster cannot run here, missing: {', '.join(missing)}" if missing else ""


def _wait(process: Process, question: Callable[[], bool]) -> None:
    """The question is answered with yes; raise with the process' last words when it ends first, or takes too long."""
    end = time.monotonic() + READY_S
    reason = ""
    while time.monotonic() < end and process.runs:
        try:
            if question():
                return
        except ClusterFailed as error:
            reason = str(error)
        time.sleep(0.2)
    raise ClusterFailed(f"{process.name} did not come up: {reason}\n{process.last_words()}")
