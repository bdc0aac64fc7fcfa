"""The engine that runs a workflow's children: Argo through the Kubernetes API, or the local one by its socket."""

import json
import socket
from typing import Any, Protocol

from steps.clients.kube import ANSWER_WITHIN_S, TIMEOUT_S, Kube, in_pod
from steps.domain import errors
from steps.domain.children import HOST_LABEL, RUN_LABEL
from steps.domain.errors import Unavailable

WORKFLOWS = {"group": "argoproj.io", "version": "v1alpha1", "plural": "workflows"}


class Engine(Protocol):
    """Where workflows are created, seen and stopped."""

    def create(self, manifest: dict[str, Any]) -> None:
        """Start a Workflow; raises Conflict when one of this name exists."""

    def list(self, run: str) -> list[dict[str, Any]]:
        """The Workflow objects (metadata, status) of the run's hosts: the run itself is not one of them."""

    def phase(self, name: str) -> str | None:
        """The phase of this Workflow, empty before it has one; None when there is no such Workflow."""

    def stop(self, name: str) -> None:
        """End a workflow's steps; its exit handler still runs. Raises NotFound."""


def connect(socket_path: str | None) -> Engine:
    """The local engine where there is a socket, else the cluster this pod runs in."""
    return LocalEngine(socket_path) if socket_path else KubernetesEngine(in_pod())


class LocalEngine:
    """The engine of `hera run`; one connection for each question, so that a forgotten one holds nothing."""

    def __init__(self, path: str) -> None:
        self.path = path

    def create(self, manifest: dict[str, Any]) -> None:
        self._ask({"do": "create", "manifest": manifest})

    def list(self, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask({"do": "list", "run": run})
        return found

    def phase(self, name: str) -> str | None:
        phase: str | None = self._ask({"do": "phase", "name": name})
        return phase

    def stop(self, name: str) -> None:
        self._ask({"do": "stop", "name": name})

    def _ask(self, question: dict[str, Any]) -> Any:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_WITHIN_S)
                connection.connect(self.path)
                connection.sendall(json.dumps(question).encode() + b"\n")
                with connection.makefile("rb") as answers:
                    answer = json.loads(answers.readline())
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the local engine does not answer ({error})", where=self.path, hint="see whether `hera run` still runs"
            ) from error
        if "error" in answer:
            kind = getattr(errors, answer["error"], errors.Unsupported)
            raise kind(answer["what"], where=answer["where"], hint=answer["hint"])
        return answer["ok"]


class KubernetesEngine:
    """Argo, through its custom resources; no Argo server is needed."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.where = {**WORKFLOWS, "namespace": kube.namespace, "_request_timeout": TIMEOUT_S}

    def create(self, manifest: dict[str, Any]) -> None:
        self._call("create", manifest["metadata"].get("name", ""), body=manifest)

    def list(self, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("list", "", label_selector=f"{RUN_LABEL}={run},{HOST_LABEL}")["items"]
        return found

    def phase(self, name: str) -> str | None:
        # listed, not read: the role then needs one verb less
        found = self._call("list", name, field_selector=f"metadata.name={name}")["items"]
        return str(found[0].get("status", {}).get("phase", "")) if found else None

    def stop(self, name: str) -> None:
        self._call("patch", name, name=name, body={"spec": {"shutdown": "Stop"}})

    def _call(self, verb: str, about: str, **arguments: Any) -> Any:
        from kubernetes.client import CustomObjectsApi  # only a pod needs it, and it takes half a second to import

        ask = getattr(CustomObjectsApi(self.kube.api), f"{verb}_namespaced_custom_object")
        return self.kube.ask(f"{verb} workflows {about}".rstrip(), lambda: ask(**self.where, **arguments))
