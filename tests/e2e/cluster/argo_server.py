"""Argo's server as its UI uses it: the same calls, with the token that somebody has logged in with."""

from typing import Any

import requests

from tests.lab.kube.cluster import Cluster


class ArgoServer:
    """The REST API, for one namespace."""

    def __init__(self, cluster: Cluster, token: str, namespace: str) -> None:
        self.namespace = namespace
        self.url = cluster.argo_server_url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(cluster.argo_server_ca)
        self.session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        answer = self._asked(method, path, body)
        assert answer.ok, answer.text
        return answer

    def _asked(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, f"{self.url}/{path}", json=body, timeout=60)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.ask(method, f"api/v1/{path}", body).json()

    def template(self, name: str) -> Any:
        return self.call("GET", f"workflow-templates/{self.namespace}/{name}")

    def submit(self, template: str, **parameters: str) -> str:
        """As the form does it; the name of the workflow."""
        options = {"parameters": [f"{name}={value}" for name, value in parameters.items()]}
        body = {"resourceKind": "WorkflowTemplate", "resourceName": template, "submitOptions": options}
        return str(self.call("POST", f"workflows/{self.namespace}/submit", body)["metadata"]["name"])

    def resume(self, workflow: str) -> None:
        body = {"name": workflow, "namespace": self.namespace}
        self.call("PUT", f"workflows/{self.namespace}/{workflow}/resume", body)

    def status(self, workflow: str) -> Any:
        return self.call("GET", f"workflows/{self.namespace}/{workflow}")["status"]

    def nodes(self, workflow: str) -> dict[str, Any]:
        """By the names that are displayed; none of a workflow that has not begun, or is not there yet."""
        answer = self._asked("GET", f"api/v1/workflows/{self.namespace}/{workflow}")
        if answer.status_code == requests.codes.not_found:
            return {}
        assert answer.ok, answer.text
        nodes = answer.json().get("status", {}).get("nodes") or {}
        return {node["displayName"]: node for node in nodes.values()}

    def artifact(self, workflow: str, node: str, name: str) -> requests.Response:
        """What opens when somebody clicks it."""
        place = f"{self.namespace}/workflows/{workflow}/{self.nodes(workflow)[node]['id']}/outputs/{name}"
        return self.ask("GET", f"artifact-files/{place}")
