"""The WorkflowTemplates of the catalog: names that stay, the version as a label, the image of this deployment."""

from typing import Any

from steps.domain.report import FILES
from steps.runtime import OUTPUTS_DIRECTORY
from workflows.catalog import CATALOG, template
from workflows.defaults import IMAGE
from workflows.deploy.kinds import Manifest
from workflows.deploy.manifest import labels
from workflows.deploy.settings import Settings

SHOWN = {"prepare-config": ("kickstart.cfg",), "report": FILES}


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
        if settings.artifacts and each["name"] in SHOWN:
            each.setdefault("outputs", {})["artifacts"] = [_artifact(file) for file in SHOWN[each["name"]]]
    return made


def _artifact(file: str) -> Manifest:
    """A file that `runtime.show` leaves: as it is, so that the UI shows it; a step that failed may not have left it."""
    name = file.replace(".", "-")  # Argo allows no dot
    return {"name": name, "path": f"{OUTPUTS_DIRECTORY}/artifacts/{file}", "archive": {"none": {}}, "optional": True}


def _containers(each: dict[str, Any]) -> list[dict[str, Any]]:
    return [each[kind] for kind in ("script", "container") if kind in each]
