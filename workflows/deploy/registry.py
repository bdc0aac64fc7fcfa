"""What an image's registry says its tag means today, by the registries' own API, as somebody whom nobody knows."""

import re
from dataclasses import dataclass

import requests

MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
TIMEOUT_S = (3.0, 10.0)
DOCKER_HUB = "docker.io"
ENDPOINTS = {DOCKER_HUB: "registry-1.docker.io"}
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """An image's name in its parts, as Kubernetes completes it."""

    registry: str
    repository: str
    tag: str
    digest: str = ""

    @property
    def name(self) -> str:
        """Without tag and digest."""
        return f"{self.registry}/{self.repository}"


def parsed(image: str) -> Reference:
    """The parts of an image's name. Without a registry it is Docker Hub's; without a tag it is `latest`."""
    rest, _, digest = image.partition("@")
    first, slash, below = rest.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, below = DOCKER_HUB, rest
    path, colon, tag = below.rpartition(":")
    repository = path if colon else below
    if first == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(first, repository, tag if colon else "latest", digest)


def digest_of(image: Reference) -> str:
    """The digest the registry has for the tag; empty when it does not answer, or knows no such image."""
    try:
        with requests.Session() as session:
            return _digest(session, image)
    except requests.RequestException:
        return ""


def _digest(session: requests.Session, image: Reference) -> str:
    url = f"{_endpoint(image.registry)}/v2/{image.repository}/manifests/{image.tag}"
    headers = {"Accept": MANIFESTS}
    answer = session.head(url, headers=headers, timeout=TIMEOUT_S)
    if answer.status_code == 401:
        token = _token(session, answer.headers.get("WWW-Authenticate", ""))
        answer = session.head(url, headers=headers | {"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)
    found = answer.headers.get("Docker-Content-Digest", "")
    return found if answer.status_code == 200 and DIGEST.fullmatch(found) else ""


def _endpoint(registry: str) -> str:
    """Plain HTTP for this machine alone, as docker does."""
    host = registry.partition(":")[0]
    return f"{'http' if host in ('localhost', '127.0.0.1') else 'https'}://{ENDPOINTS.get(registry, registry)}"


def _token(session: requests.Session, challenge: str) -> str:
    """What the registry's own door gives to a stranger; empty if it wants more than that."""
    kind, _, rest = challenge.partition(" ")
    said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if kind.lower() != "bearer" or not said.get("realm", "").startswith(("https://", "http://")):
        return ""
    asked = {name: said[name] for name in ("service", "scope") if name in said}
    answer = session.get(said["realm"], params=asked, timeout=TIMEOUT_S)
    try:
        told = answer.json()
    except ValueError:
        return ""
    return str(told.get("token") or told.get("access_token") or "") if isinstance(told, dict) else ""
