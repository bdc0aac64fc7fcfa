"""What the cluster changes on this machine, and puts back: address, kernel settings, packet filter rules, folders."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.lab.kube.layout import BRIDGE, NODE_ADDRESS, Layout
from tests.lab.kube.processes import ClusterFailed, run

# Forwarding is for pods; the kubelet, kube-proxy and the CNI plugins set the others
SETTINGS = (
    "net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "vm/overcommit_memory", "vm/panic_on_oom",
    "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
    "net/bridge/bridge-nf-call-iptables",
)  # fmt: skip
# Fixed places where containerd, the kubelet and CNI write: they get others in their mount namespace
COVERED = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers", "/run/containerd")
CHAINS = ("KUBE-", "CNI-")
CGROUP = "kubepods"
# Pods share a bridge: without this an answer from one to another goes past the rules that know of its service
BRIDGE_FILTER, BRIDGE_FILTER_MODULE = Path("/proc/sys/net/bridge/bridge-nf-call-iptables"), "br_netfilter"


def refuse_another() -> None:
    """Raise where a Kubernetes runs that isn't ours: the two would undo each other's rules."""
    if NODE_ADDRESS in run(["ip", "-4", "address", "show", "dev", "lo"]):
        raise ClusterFailed(f"the address {NODE_ADDRESS} is used on this machine already")
    if any("KUBE-SERVICES" in rules for _, rules in _rules()) or any(_processes_in(path) for path in _cgroups()):
        raise ClusterFailed("a Kubernetes runs on this machine already: take it down first")


def prepare(layout: Layout) -> None:
    """The node's address is there and packets are forwarded; how it was is in the cluster's folder."""
    modules = [] if BRIDGE_FILTER.exists() else [BRIDGE_FILTER_MODULE]
    for module in modules:
        run(["modprobe", module])
    paths = [Path("/proc/sys", name) for name in SETTINGS]
    before = {str(path): path.read_text().strip() for path in paths if path.exists()}
    absent = [str(path) for name in COVERED for path in _missing(Path(name))]
    layout.host_before.write_text(json.dumps({"settings": before, "made": absent, "modules": modules}))
    for name in COVERED:
        Path(name).mkdir(parents=True, exist_ok=True)
        _cover(layout, name).mkdir(parents=True, exist_ok=True)
    run(["ip", "address", "replace", f"{NODE_ADDRESS}/32", "dev", "lo"])
    for path in (Path("/proc/sys/net/ipv4/ip_forward"), BRIDGE_FILTER):
        path.write_text("1")


def mount_namespace_command(layout: Layout) -> list[str]:
    """What holds a mount namespace for containerd and the kubelet.

    Nothing they mount is seen from outside, and all of it goes with them. Without it, a network namespace made by
    somebody else pins the pods' own (/run/netns is mounted on itself), and pods never end.
    """
    covers = [f"mount --bind {shlex.quote(str(_cover(layout, name)))} {name}" for name in COVERED]
    script = " && ".join([*covers, f"touch {shlex.quote(str(layout.namespace))}", "exec sleep infinity"])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]


def restore(layout: Layout) -> None:
    """The machine is as it was before `prepare`. Twice is fine."""
    if not layout.host_before.exists():
        return
    for path in _cgroups():
        _remove_cgroup(path)
    _remove_links()
    _remove_rules()
    if NODE_ADDRESS in run(["ip", "-4", "address", "show", "dev", "lo"]):
        run(["ip", "address", "delete", f"{NODE_ADDRESS}/32", "dev", "lo"])
    before = json.loads(layout.host_before.read_text())
    for name, value in before["settings"].items():
        if Path(name).read_text().strip() != value:
            Path(name).write_text(value)
    for module in before.get("modules", ()):  # somebody else may use it by now
        subprocess.run(["modprobe", "--remove", module], capture_output=True, check=False)
    for name in reversed(before["made"]):
        with suppress(OSError):  # somebody else keeps files there by now
            Path(name).rmdir()
    layout.host_before.unlink()


def pod_processes() -> list[int]:
    """Every process of every pod on this machine."""
    return [pid for path in _cgroups() for pid in _processes_in(path)]


def missing_commands() -> list[str]:
    """What has to be installed for a cluster, each with its package."""
    packages = {
        "containerd": "containerd", "runc": "runc", "iptables": "iptables", "conntrack": "conntrack",
        "buildah": "buildah", "ip": "iproute2", "unshare": "util-linux", "busybox": "busybox-static",
        "modprobe": "kmod",
    }  # fmt: skip
    missing = [f"{command} (package {package})" for command, package in packages.items() if not shutil.which(command)]
    return missing if Path("/usr/lib/cni/bridge").exists() else [*missing, "CNI (package containernetworking-plugins)"]


def _cover(layout: Layout, name: str) -> Path:
    return layout.covers / name.strip("/").replace("/", "-")


def _missing(path: Path) -> list[Path]:
    """The folders that have to be made for this one, the outermost first."""
    return [folder for folder in [*reversed(path.parents), path] if not folder.exists()]


def _cgroups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [path for path in [root / CGROUP, *root.glob(f"*/{CGROUP}")] if path.is_dir() and not path.is_symlink()]


def _processes_in(cgroup: Path) -> list[int]:
    pids: set[int] = set()
    for path in cgroup.rglob("cgroup.procs"):
        with suppress(OSError):  # it went away meanwhile
            pids.update(int(pid) for pid in path.read_text().split())
    return sorted(pids)


def _remove_cgroup(cgroup: Path) -> None:
    folders = sorted((path for path in cgroup.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for folder in [*folders, cgroup]:
        with suppress(OSError):
            folder.rmdir()


def _remove_links() -> None:
    links = json.loads(run(["ip", "-json", "link", "show"]) or "[]")
    ours = [link["ifname"] for link in links if link.get("master") == BRIDGE or link["ifname"] == BRIDGE]
    for name in ours:  # those of a pod's namespace may go by themselves meanwhile
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)


def _rules() -> Iterator[tuple[str, str]]:
    """iptables and ip6tables, each with the rules it knows."""
    for program in ("iptables", "ip6tables"):
        done = subprocess.run([f"{program}-save"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            yield program, done.stdout


def _remove_rules() -> None:
    """No chain of Kubernetes or CNI is left, nor a rule that leads to one."""
    for program, rules in _rules():
        chains: list[tuple[str, str]] = []
        table = ""
        for line in rules.splitlines():
            words = shlex.split(line, comments=True)
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith(":") and words[0][1:].startswith(CHAINS):
                chains.append((table, words[0][1:]))
            elif line.startswith("-A") and not words[1].startswith(CHAINS) and _target(words).startswith(CHAINS):
                run([program, "--wait", "--table", table, "--delete", *words[1:]])
        for action in ("--flush", "--delete-chain"):  # all are empty before the first goes: they lead to one another
            for table, chain in chains:
                run([program, "--wait", "--table", table, action, chain])


def _target(words: list[str]) -> str:
    return words[words.index("-j") + 1] if "-j" in words else ""
