"""The node's container runtime, by its own command line."""

from pathlib import Path

from tests.lab.kube.processes import ClusterFailed, run

NAMESPACE = "k8s.io"  # where the kubelet looks for images
IMPORT_S = 300


class Containerd:
    """containerd at this socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def answers(self) -> bool:
        self._run("images", "ls", "-q")
        return True

    def load(self, archive: Path, name: str) -> str:
        """The image is there under its name and by its digest, which is returned; the archive holds one image."""
        complete = complete_name(name)
        self._run("images", "import", str(archive))
        digest = self._digests().get(complete)
        if digest is None:
            raise ClusterFailed(f"{archive} holds no image {complete}")
        reference = f"{complete.rpartition(':')[0]}@{digest}"
        self._run("images", "tag", "--force", complete, reference)
        return reference

    def pid_of(self, container: str) -> int:
        """The first process of a container, as this machine counts."""
        for line in self._run("tasks", "ls").splitlines():
            words = line.split()
            if words[0] == container:
                return int(words[1])
        raise ClusterFailed(f"no container {container} runs")

    def _digests(self) -> dict[str, str]:
        """Of each image, by its name."""
        lines = self._run("images", "ls").splitlines()[1:]
        return {words[0]: words[2] for words in map(str.split, lines)}

    def _run(self, *arguments: str) -> str:
        return run(["ctr", "--address", str(self._socket), "--namespace", NAMESPACE, *arguments], timeout_s=IMPORT_S)


def complete_name(name: str) -> str:
    """An image's name as containerd keeps it: with a registry, which is Docker's where none is named."""
    first, _, rest = name.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if rest else f"docker.io/library/{name}"
