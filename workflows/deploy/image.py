"""The image by its digest: a tag may mean another image tomorrow, or on another node."""

from collections.abc import Callable

from steps.domain.errors import HerasphereError, Refused
from steps.domain.outcome import mapping
from workflows.deploy.kinds import Manifest
from workflows.deploy.registry import Reference, digest_of, parsed
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings


def pinned(server: Server, settings: Settings, ask_registry: Callable[[Reference], str] = digest_of) -> tuple[str, str]:
    """The image by digest, and who told it; an empty reference, and why, when nobody could.

    The registry is asked first, as nodes would ask it; then the nodes, which may have the image without any registry.
    """
    image = parsed(settings.image)
    if image.digest:
        return settings.image, "as it was given"
    name = settings.image.removesuffix(f":{image.tag}")
    if settings.pull_policy != "Never" and (digest := ask_registry(image)):
        return f"{name}@{digest}", f"as {image.registry} has it"
    try:
        nodes = server.asked("/api/v1/nodes", "list nodes")["items"]
    except HerasphereError:  # not everybody who may deploy may look at nodes
        return "", f"{image.registry} does not tell its digest, and this user may not look at the nodes"
    digests = _digests(nodes, image)
    if len(digests) > 1:
        told = "; ".join(f"{', '.join(names)}: {digest}" for digest, names in digests.items())
        hint = f"say which one is meant: --image {name}@sha256:…"
        raise Refused(f"nodes have different images of this name: {told}", where=settings.image, hint=hint)
    for digest, names in digests.items():
        return f"{name}@{digest}", f"as node {', '.join(names)} has it"
    return "", f"neither {image.registry} nor a node tells its digest"


def _digests(nodes: list[Manifest], image: Reference) -> dict[str, list[str]]:
    """The digests under which nodes have this image, each with the nodes' names."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        for each in mapping(node.get("status")).get("images") or []:
            references = [parsed(name) for name in each.get("names") or []]
            tags = {(one.name, one.tag) for one in references if not one.digest}
            for one in references:
                if (image.name, image.tag) in tags and one.digest and one.name == image.name:
                    found.setdefault(one.digest, []).append(node["metadata"]["name"])
    return found
