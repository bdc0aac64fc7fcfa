"""The namespace: of its own, because whoever may start Workflows in it may have a pod read every Secret in it."""

from workflows.deploy.kinds import Manifest
from workflows.deploy.manifest import manifest
from workflows.deploy.settings import Settings


def namespace(settings: Settings) -> list[Manifest]:
    """The namespace alone; it is never deleted."""
    return [manifest("Namespace", settings.namespace, settings)]
