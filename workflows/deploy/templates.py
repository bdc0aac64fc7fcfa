"""The WorkflowTemplates of the catalog: names that stay, the version as a label, the image of this deployment."""

from typing import Any

from workflows.catalog import CATALOG, template
from workflows.defaults import IMAGE
from workflows.deploy.kinds import Manifest
from workflows.deploy.manifest import labels
from workflows.deploy.settings import Settings


def templates(settings: Settings) -> list[Manifest]:
    """Every workflow of the catalog."""
    return [_template(name, settings) for name in CATALOG]


def _template(name: str, settings: Settings) -> Manifest:
    made = template(name)
    made["metadata"] |= {"namespace": settings.namespace, "labels": made["metadata"]["labels"] | labels()}
    for each in made["spec"]["templates"]:
        for container in _containers(each):
            if container["image"] == IMAGE:
                container |= {"image": settings.pods_image, "imagePullPolicy": settings.pull_policy}
    return made


def _containers(each: dict[str, Any]) -> list[dict[str, Any]]:
    return [each[kind] for kind in ("script", "container") if kind in each]
