"""Argo on the cluster: its own manifests for a whole cluster, with our images and settings."""

from pathlib import Path
from typing import Any

import yaml

from tests.lab.kube.images import CONTROLLER, EXECUTOR, SERVER
from tests.lab.kube.layout import ARGO_NAMESPACE, ARGO_PORT, NODE_ADDRESS, Layout

CONTROLLER_NAME, SERVER_NAME, TLS_SECRET = "workflow-controller", "argo-server", "argo-server-tls"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the schemas are 11 MB

Manifest = dict[str, Any]


def manifests(source: Path, layout: Layout, requeue: str) -> list[Manifest]:
    """What to apply. requeue: how long the controller waits before it looks at a workflow again"""
    documents: list[Manifest] = list(yaml.load_all(source.read_text(), LOADER))
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        if (kind, name) == ("Deployment", CONTROLLER_NAME):
            _set_controller(document, requeue)
        elif (kind, name) == ("Deployment", SERVER_NAME):
            _set_server(document)
        elif (kind, name) == ("ConfigMap", "workflow-controller-configmap"):
            document["data"] = {"metricsConfig": "enabled: false\n", "telemetryConfig": "enabled: false\n"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ARGO_NAMESPACE}}
    return [namespace, _certificate(layout), *documents]


def _set_controller(deployment: Manifest, requeue: str) -> None:
    """One controller which starts again by itself, and then need not wait for the lease of the one before."""
    deployment["spec"]["strategy"] = {"type": "Recreate"}
    container = _container(deployment, CONTROLLER.reference)
    container["args"] = ["--executor-image", EXECUTOR.reference, "--executor-image-pull-policy", "IfNotPresent"]
    settings = {
        "DEFAULT_REQUEUE_TIME": requeue,
        "LEADER_ELECTION_DISABLE": "true",
        "ARGO_PROGRESS_PATCH_TICK_DURATION": "2s",  # a minute by default: the lab's stages are over before
    }
    container["env"] += [{"name": name, "value": value} for name, value in settings.items()]


def _set_server(deployment: Manifest) -> None:
    """The server asks every user for the token of the cluster itself, and answers at the node's address too."""
    container = _container(deployment, SERVER.reference)
    container["args"] = ["server", "--auth-mode=client", f"--tls-certificate-secret-name={TLS_SECRET}"]
    container["ports"] = [
        {"name": "web", "containerPort": 2746, "hostPort": ARGO_PORT, "hostIP": NODE_ADDRESS},
    ]
    container["readinessProbe"] |= {"initialDelaySeconds": 1, "periodSeconds": 1}
    deployment["spec"]["strategy"] = {"type": "Recreate"}  # two of them have no room at one port


def _container(deployment: Manifest, image: str) -> Manifest:
    container: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
    container |= {"image": image, "imagePullPolicy": "IfNotPresent"}
    return container


def _certificate(layout: Layout) -> Manifest:
    files = {"tls.crt": layout.pki / "argo-server.pem", "tls.key": layout.pki / "argo-server.key"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": TLS_SECRET, "namespace": ARGO_NAMESPACE},
        "type": "kubernetes.io/tls",
        "stringData": {name: path.read_text() for name, path in files.items()},
    }
