"""The cluster's programs: how each is called, and the settings it reads."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.lab.kube import layout as lab
from tests.lab.kube.images import PAUSE
from tests.lab.kube.layout import NODE, NODE_ADDRESS, Layout
from tests.lab.kube.pki import write_kubeconfig, write_secret

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
PODS_NEED = ("containerd", "kubelet")  # these two run in a mount namespace of their own


def write_settings(layout: Layout) -> None:
    """Everything is there that the programs read, certificates apart."""
    token = secrets.token_hex(24)
    write_secret(layout.folder / "tokens.csv", f'{token},admin,admin,"system:masters"\n')
    write_kubeconfig(layout.kubeconfig, layout.ca, "admin", token)
    (layout.folder / "containerd.toml").write_text(_containerd(layout))
    (layout.folder / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(layout)))
    (layout.folder / "resolv.conf").write_text("")  # pods ask nobody for names
    network = layout.folder / "cni"
    network.mkdir(exist_ok=True)
    (network / "10-lab.conflist").write_text(json.dumps(_network(layout)))


def command(name: str, layout: Layout, programs: Path) -> list[str]:
    """The command line that runs this program in the foreground."""
    arguments: dict[str, Callable[[Layout], dict[str, object]]] = {
        "etcd": _etcd_arguments,
        "kube-apiserver": _apiserver_arguments,
        "kube-controller-manager": _controller_manager_arguments,
        "kube-scheduler": _scheduler_arguments,
        "kubelet": _kubelet_arguments,
        "kube-proxy": _proxy_arguments,
        "containerd": lambda layout: {"config": layout.folder / "containerd.toml"},
    }
    options = arguments[name](layout)
    program = name if name == "containerd" else str(programs / name)
    return [program, *(f"--{option}={value}" for option, value in options.items())]


def _etcd_arguments(layout: Layout) -> dict[str, object]:
    clients, peers = f"http://127.0.0.1:{lab.ETCD_PORT}", f"http://127.0.0.1:{lab.ETCD_PEER_PORT}"
    return {
        "data-dir": layout.folder / "etcd",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
        "unsafe-no-fsync": "true",
    }


def _apiserver_arguments(layout: Layout) -> dict[str, object]:
    pki = layout.pki
    return {
        "etcd-servers": f"http://127.0.0.1:{lab.ETCD_PORT}",
        "secure-port": lab.API_PORT,
        "bind-address": NODE_ADDRESS,
        "advertise-address": NODE_ADDRESS,
        "service-cluster-ip-range": lab.SERVICES,
        "tls-cert-file": pki / "apiserver.pem",
        "tls-private-key-file": pki / "apiserver.key",
        "token-auth-file": layout.folder / "tokens.csv",
        "anonymous-auth": "false",
        "authorization-mode": "Node,RBAC",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": pki / "tokens.key",
        "service-account-signing-key-file": pki / "tokens.key",
        "allow-privileged": "true",
        # logs and exec, and with that Argo's signals to pods, go through here
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-certificate-authority": layout.ca,
        "kubelet-client-certificate": pki / "kubelet-client.pem",
        "kubelet-client-key": pki / "kubelet-client.key",
    }


def _controller_manager_arguments(layout: Layout) -> dict[str, object]:
    return {
        "kubeconfig": layout.kubeconfig,
        "service-account-private-key-file": layout.pki / "tokens.key",
        "root-ca-file": layout.ca,
        "cert-dir": layout.pki,
        "use-service-account-credentials": "false",
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
    }


def _scheduler_arguments(layout: Layout) -> dict[str, object]:
    return {
        "kubeconfig": layout.kubeconfig,
        "cert-dir": layout.pki,
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
    }


def _kubelet_arguments(layout: Layout) -> dict[str, object]:
    return {
        "config": layout.folder / "kubelet.yaml",
        "kubeconfig": layout.kubeconfig,
        "hostname-override": NODE,
        "node-ip": NODE_ADDRESS,
        "root-dir": layout.folder / "kubelet",
        "cert-dir": layout.pki,
    }


def _proxy_arguments(layout: Layout) -> dict[str, object]:
    return {
        "kubeconfig": layout.kubeconfig,
        "proxy-mode": "iptables",
        "cluster-cidr": lab.PODS,
        "hostname-override": NODE,
        "healthz-bind-address": "127.0.0.1:10256",
        "metrics-bind-address": "127.0.0.1:10249",
        "nodeport-addresses": f"{NODE_ADDRESS}/32",
        # these kernel settings stay as they are
        "conntrack-max-per-core": 0,
        "conntrack-tcp-timeout-established": 0,
        "conntrack-tcp-timeout-close-wait": 0,
    }


def _kubelet(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1",
        "tlsCertFile": str(layout.pki / "kubelet.pem"),
        "tlsPrivateKeyFile": str(layout.pki / "kubelet.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "clusterDNS": [],
        "resolvConf": str(layout.folder / "resolv.conf"),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,  # there is no registry to fetch a removed image from
        "maxPods": 250,
    }


def _network(layout: Layout) -> dict[str, object]:
    """Pods reach services, the node and the simulated sites; they have no default route, so nothing leaves."""
    routes = [{"dst": target} for target in (lab.SERVICES, f"{NODE_ADDRESS}/32", lab.SITES)]
    addresses = {
        "type": "host-local",
        "dataDir": str(layout.folder / "addresses"),
        "ranges": [[{"subnet": lab.NODE_PODS}]],
        "routes": routes,
    }
    bridge = {
        "type": "bridge",
        "bridge": lab.BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "lab", "plugins": [bridge, ports]}


def _containerd(layout: Layout) -> str:
    folder = layout.folder
    return f"""version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{layout.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  # not every root may give a process a better chance than its own to outlive a shortage of memory
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  sandbox_image = "{PAUSE.reference}"
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""
