"""Names, addresses and files of the lab's cluster."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "herasphere-cluster"

NODE = "lab"
NODE_ADDRESS = "10.44.0.1"  # a further address of the loopback interface: pods reach it, no network outside does
API_PORT, ARGO_PORT, ETCD_PORT, ETCD_PEER_PORT = 16443, 2746, 12379, 12380
API_URL = f"https://{NODE_ADDRESS}:{API_PORT}"
ARGO_URL = f"https://{NODE_ADDRESS}:{ARGO_PORT}"
PODS, SERVICES, API_SERVICE_ADDRESS = "10.42.0.0/16", "10.43.0.0/16", "10.43.0.1"
NODE_PODS = "10.42.0.0/24"
SITES = "10.99.0.0/16"  # the simulated sites' networks
BRIDGE = "hscluster0"
ARGO_NAMESPACE = "argo"


@dataclass(frozen=True)
class Layout:
    """Where in the cluster's folder everything is."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    @property
    def ca(self) -> Path:
        return self.pki / "ca.pem"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def volumes(self) -> Path:
        """Folders of the persistent volumes."""
        return self.folder / "volumes"

    @property
    def processes(self) -> Path:
        """What was started: a file for each process."""
        return self.folder / "processes"

    @property
    def host_before(self) -> Path:
        """What of the machine's settings was changed, and how it was."""
        return self.folder / "host-before.json"

    @property
    def covers(self) -> Path:
        """Folders that cover those of the machine, for containerd and the kubelet alone."""
        return self.folder / "covers"

    @property
    def containerd_socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def namespace(self) -> Path:
        """Says that the mount namespace is ready."""
        return self.folder / "namespace-ready"

    @property
    def by_tests(self) -> Path:
        """Is there while a cluster is up that tests brought up: the last of them takes it down."""
        return self.folder / "by-tests"

    @property
    def lock(self) -> Path:
        """Held by who brings the cluster up or down."""
        return self.folder.with_name(f"{self.folder.name}.lock")

    @property
    def users(self) -> Path:
        """Held, together, by all tests that use the cluster."""
        return self.folder.with_name(f"{self.folder.name}.users")
