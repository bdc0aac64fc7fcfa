"""The cluster's storage: volumes made beforehand, each a folder that every user may write to."""

from typing import Any

from tests.lab.kube.layout import NODE, Layout

CLASS = "lab"
COUNT = 24
SIZE = "10Gi"


def manifests(layout: Layout) -> list[dict[str, Any]]:
    """The default storage class and its volumes, whose folders are there. A claim binds at once."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate",
    }
    return [storage_class, *(_volume(layout, f"{CLASS}-{number:02}") for number in range(COUNT))]


def released(volumes: dict[str, Any]) -> list[str]:
    """Those of kubectl's list of volumes that were made here and whose claim is gone."""
    ours = [volume for volume in volumes["items"] if volume["spec"].get("storageClassName") == CLASS]
    return [volume["metadata"]["name"] for volume in ours if volume["status"]["phase"] == "Released"]


def _volume(layout: Layout, name: str) -> dict[str, Any]:
    folder = layout.volumes / name
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
        },
    }
