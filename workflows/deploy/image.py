"""The image by its digest: a tag may mean another image tomorrow, or on another node."""

from steps.clients.kube import Kube
from steps.domain.errors import HerasphereError


def pinned(kube: Kube, image: str) -> str:
    """The image by digest where the reference or a node that has it tells one; else the reference as it is."""
    if "@" in image:
        return image
    try:
        nodes = kube.call("GET", "/api/v1/nodes")["items"]
    except HerasphereError:  # not everybody who may deploy may look at nodes
        return image
    repository, _, tag = image.rpartition(":")
    digests = set()
    for names in (each.get("names") or [] for node in nodes for each in node["status"].get("images") or []):
        if any(_same(name, f"{repository}:{tag}") for name in names):
            digests |= {name for name in names if "@" in name and _same(name.partition("@")[0], repository)}
    return digests.pop() if len(digests) == 1 else image


def _same(one: str, other: str) -> bool:
    """Whether two names are the same image: a node completes a name without a registry."""
    return one == other or one.removeprefix("docker.io/").removeprefix("library/") == other
