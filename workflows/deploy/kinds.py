"""The kinds of objects that are deployed, and where the API has them: no discovery is needed, and none can surprise."""

from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

ARGO = "argoproj.io/v1alpha1"
RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Kind:
    """One kind of the API."""

    name: str
    api_version: str
    plural: str
    is_namespaced: bool = True

    @property
    def group(self) -> str:
        """Empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "") -> str:
        """Of one object, or of all."""
        root = "/apis" if self.group else "/api"
        place = f"{root}/{self.api_version}" + (f"/namespaces/{namespace}" if self.is_namespaced else "")
        return f"{place}/{self.plural}" + (f"/{name}" if name else "")


KINDS = {
    kind.name: kind
    for kind in (
        Kind("Namespace", "v1", "namespaces", is_namespaced=False),
        Kind("ServiceAccount", "v1", "serviceaccounts"),
        Kind("Role", RBAC, "roles"),
        Kind("RoleBinding", RBAC, "rolebindings"),
        Kind("Secret", "v1", "secrets"),
        Kind("ConfigMap", "v1", "configmaps"),
        Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
        Kind("Service", "v1", "services"),
        Kind("Deployment", "apps/v1", "deployments"),
        Kind("WorkflowTemplate", ARGO, "workflowtemplates"),
        Kind("CronWorkflow", ARGO, "cronworkflows"),
    )
}


def label_of(manifest: Manifest) -> str:
    """KIND/NAME, as people name an object."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
