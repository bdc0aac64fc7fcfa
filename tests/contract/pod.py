"""A container of the runner image, as a pod's is: unprivileged, read-only but for /tmp, without a network.

What it does not show: seccomp and AppArmor profiles, cgroup limits, and Argo's own program around the step.
"""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

NEEDED = ("buildah", "debootstrap", "runc")
ENDS_WITHIN_S = 120
SCRIPT = "/argo/staging/script"  # where Argo puts a step's arguments
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
]


@cache
def why_not() -> str:
    """The reason why the image cannot be built and run here, "" when it can."""
    if os.geteuid() != 0:
        return "the runner image is bootstrapped as root"
    missing = [command for command in NEEDED if shutil.which(command) is None]
    return f"the runner image needs the packages {', '.join(missing)}" if missing else ""


@dataclass(frozen=True)
class Ended:
    """How a container's one process ended; message is what it left as the pod's termination message."""

    exit_code: int
    stdout: str
    stderr: str
    message: str


@dataclass(frozen=True)
class Unpacked:
    """An image laid out as a folder.

    root:   its file system
    config: what it says of itself, as in OCI's image specification
    layers: the members of each, the base's first
    """

    folder: Path
    root: Path
    config: dict[str, Any]
    layers: Sequence[Sequence[tarfile.TarInfo]]

    def run(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, script: str = "") -> Ended:
        """Run a command instead of the image's entrypoint, with its environment and more, to its end."""
        work = self.folder / f"container-{uuid4().hex[:8]}"
        work.mkdir()
        (work / "script").write_text(script)
        (work / "message").touch()
        (work / "message").chmod(0o666)
        (work / "config.json").write_text(json.dumps(self._spec(work, command, env or {})))
        done = subprocess.run(
            ["runc", "--root", str(self.folder / "runc"), "run", "--bundle", str(work), work.name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
        )
        return Ended(done.returncode, done.stdout, done.stderr, (work / "message").read_text())

    def _spec(self, work: Path, command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
        user, group = self.config["User"].split(":")
        files = {"/dev/termination-log": work / "message", SCRIPT: work / "script"}
        bound = [
            {"destination": at, "type": "bind", "source": str(file), "options": ["bind"]} for at, file in files.items()
        ]
        return {
            "ociVersion": "1.0.2",
            "root": {"path": str(self.root), "readonly": True},
            "process": {
                "user": {"uid": int(user), "gid": int(group)},
                "args": list(command),
                "cwd": self.config["WorkingDir"],
                "env": [*self.config["Env"], *(f"{name}={value}" for name, value in env.items())],
                "noNewPrivileges": True,
                "capabilities": {},
            },
            "mounts": [*MOUNTS, *bound],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")]},
        }


def unpack(archive: Path, folder: Path) -> Unpacked:
    """Lay out an OCI archive; its layers must only add."""
    layout, root = folder / "layout", folder / "root"
    for path in (layout, root):
        path.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(layout, filter="data")
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(_blob(layout, index["manifests"][0]).read_text())
    layers = []
    for layer in manifest["layers"]:
        with tarfile.open(_blob(layout, layer)) as tar:
            layers.append(tar.getmembers())
        subprocess.run(["tar", "-C", str(root), "-xf", str(_blob(layout, layer))], check=True)
    removed = [member.name for layer in layers for member in layer if Path(member.name).name.startswith(".wh.")]
    assert removed == [], "a layer removes files of another"
    config = json.loads(_blob(layout, manifest["config"]).read_text())
    return Unpacked(folder, root, config["config"], layers)


def _blob(layout: Path, descriptor: Mapping[str, Any]) -> Path:
    return layout / "blobs" / "/".join(descriptor["digest"].split(":"))
