"""The media service: a pod with a volume, its control port for the cluster, its media port for BMCs and installers."""

from typing import Any

from steps.domain.children import MEDIA_TOKEN
from workflows.deploy.accounts import MEDIA_ACCOUNT
from workflows.deploy.kinds import Manifest
from workflows.deploy.manifest import PART_OF, PART_OF_LABEL, manifest
from workflows.deploy.settings import Settings, remembered

NAME = "herasphere-media"
PUBLIC = "herasphere-media-public"  # the load balancer: never the control port
SELECTOR = {"app.kubernetes.io/name": NAME}
SETTINGS_ANNOTATION = "herasphere/settings"
STATE, TOKEN, TMP = "/var/lib/herasphere", "/run/herasphere/media", "/tmp"
LIBRARY = f"{STATE}/library"
MEDIA_PORT, CONTROL_PORT = 8080, 8081
USER = 10001  # the runner image's


def media(settings: Settings) -> list[Manifest]:
    """Volume claim, Services, Deployment. Its Secret is made by `hera deploy` alone: no token is ever written down."""
    ports = [_service_port("control", CONTROL_PORT, "control"), _service_port("media", MEDIA_PORT, "media")]
    return [
        _claim(settings),
        manifest("Service", NAME, settings, spec={"selector": SELECTOR, "ports": ports}),
        *([public(settings)] if settings.expose == "loadbalancer" else []),
        _deployment(settings),
    ]


def public(settings: Settings) -> Manifest:
    """The load balancer before the media port. Traffic policy stays Cluster: an address is needed before a pod is."""
    ports = [_service_port("media", settings.media_port, "media")]
    return manifest("Service", PUBLIC, settings, spec={"type": "LoadBalancer", "selector": SELECTOR, "ports": ports})


def public_url(settings: Settings, node_address: str) -> str:
    """What BMCs and installers call it."""
    return f"http://{settings.address or node_address}:{settings.media_port}"


def last_settings(deployment: Manifest | None) -> str:
    """What the last deployment was told; empty without one."""
    annotations = (deployment or {"metadata": {}})["metadata"].get("annotations") or {}
    return str(annotations.get(SETTINGS_ANNOTATION, ""))


def _service_port(name: str, port: int, target: str) -> dict[str, Any]:
    return {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}


def _claim(settings: Settings) -> Manifest:
    storage_class = {"storageClassName": settings.storage_class} if settings.storage_class else {}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": settings.storage_size}}}
    return manifest("PersistentVolumeClaim", NAME, settings, spec=spec | storage_class)


def _deployment(settings: Settings) -> Manifest:
    made = manifest(
        "Deployment",
        NAME,
        settings,
        spec={
            "replicas": 1,
            # one at a time: the volume, the port of the node and the database are one
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": SELECTOR},
            "template": {"metadata": {"labels": SELECTOR | {PART_OF_LABEL: PART_OF}}, "spec": _pod(settings)},
        },
    )
    made["metadata"]["annotations"] = {SETTINGS_ANNOTATION: remembered(settings)}
    return made


def _pod(settings: Settings) -> Manifest:
    nodes = dict(each.split("=", 1) for each in settings.media_node)
    return {
        "serviceAccountName": MEDIA_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **({"nodeSelector": nodes} if nodes else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",  # else each start walks through every ISO and log
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings)],
        "volumes": [
            {"name": "state", "persistentVolumeClaim": {"claimName": NAME}},
            {"name": "token", "secret": {"secretName": MEDIA_TOKEN.name, "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _container(settings: Settings) -> Manifest:
    host_ip = {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
    host_port = {"hostPort": settings.media_port} if settings.expose == "hostport" else {}
    return {
        "name": "media",
        "image": settings.pods_image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["hera", "media", "serve"],
        "args": [
            f"--folder={STATE}",
            f"--library={LIBRARY}",
            f"--token-file={TOKEN}/{MEDIA_TOKEN.key}",
            f"--address=0.0.0.0:{MEDIA_PORT}",
            f"--control=0.0.0.0:{CONTROL_PORT}",
            f"--public-url={public_url(settings, '$(HOST_IP)')}",
        ],
        **({} if settings.address else {"env": [host_ip]}),
        "ports": [
            {"name": "media", "containerPort": MEDIA_PORT, "protocol": "TCP", **host_port},
            {"name": "control", "containerPort": CONTROL_PORT, "protocol": "TCP"},
        ],
        # no HTTP: a GET of what is not there is logged, as that of a stranger
        "readinessProbe": {"tcpSocket": {"port": "media"}, "periodSeconds": 5},
        "terminationMessagePolicy": "FallbackToLogsOnError",  # its last words are the reason that is told
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "state", "mountPath": STATE},
            {"name": "token", "mountPath": TOKEN, "readOnly": True},
            {"name": "tmp", "mountPath": TMP},
        ],
    }
