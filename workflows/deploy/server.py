"""The API server as a deployment uses it: objects by kind and name, and whether this user may do what is wanted."""

from typing import Any

from steps.clients.kube import Kube
from steps.domain.errors import NotFound
from workflows.backends.argo.api import DRY, STRICT
from workflows.backends.argo.rest import Rest
from workflows.deploy.kinds import KINDS, Kind, Manifest, label_of

MANAGER = "herasphere"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
MERGE = "application/merge-patch+json"


class Server:
    """One API server and namespace, as the user of a kubeconfig."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.namespace = kube.namespace
        self.rest = Rest(str(kube.api.configuration.host), kube.session, called="Kubernetes API")

    def get(self, kind: str, name: str) -> Manifest | None:
        """The object; None when there is none."""
        try:
            found: Manifest = self.rest.call("GET", self._path(kind, name), doing=f"look up {kind}/{name}")
        except NotFound:
            return None
        return found

    def listed(self, kind: str, selector: str = "", *, accept: str = "application/json") -> list[Manifest]:
        """Those of the namespace that have these labels."""
        params = {"labelSelector": selector} if selector else None
        path = self._path(kind)
        found = self.rest.call("GET", path, doing=f"list {KINDS[kind].plural}", params=params, accept=accept)
        items: list[Manifest] = found["items"] or []  # of nothing they may be null
        return items

    def asked(self, path: str, doing: str, *, accept: str = "application/json", **params: str) -> Any:
        """What is at this path; NotFound."""
        return self.rest.call("GET", path, doing=doing, params=params or None, accept=accept)

    def apply(
        self, manifest: Manifest, *, manager: str = MANAGER, take_over: bool = False, dry_run: bool = False
    ) -> Manifest:
        """Have these fields as they are here; what others have set besides stays. Conflict if they have set these."""
        params = {"fieldManager": manager, "force": str(take_over).lower()} | STRICT | (DRY if dry_run else {})
        path = self._path(manifest["kind"], manifest["metadata"]["name"])
        doing = f"apply {label_of(manifest)}"
        made: Manifest = self.rest.call("PATCH", path, doing=doing, body=manifest, params=params, content_type=APPLY)
        return made

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> None:
        """Create it; Conflict when there is one of this name."""
        path = self._path(manifest["kind"])
        params = {"fieldManager": MANAGER} | (DRY if dry_run else {})
        self.rest.call("POST", path, doing=f"create {label_of(manifest)}", body=manifest, params=params)

    def merge(self, kind: str, name: str, change: Manifest) -> None:
        """Change just what is named; None removes. NotFound."""
        path, params = self._path(kind, name), {"fieldManager": MANAGER}
        self.rest.call("PATCH", path, doing=f"change {kind}/{name}", body=change, params=params, content_type=MERGE)

    def delete(self, kind: str, name: str) -> None:
        """Delete it; NotFound."""
        self.rest.call("DELETE", self._path(kind, name), doing=f"delete {kind}/{name}")

    def may(self, verb: str, kind: Kind) -> bool:
        """Whether this user may do that to objects of this kind."""
        asked = {"verb": verb, "group": kind.group, "resource": kind.plural}
        if kind.is_namespaced:
            asked["namespace"] = self.namespace
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self.rest.call("POST", path, doing="ask for this user's rights", body=review)
        return bool(answer["status"]["allowed"])

    def _path(self, kind: str, name: str = "") -> str:
        return KINDS[kind].path(self.namespace, name)
