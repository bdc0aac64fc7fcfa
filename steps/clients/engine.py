"""The engine that runs a workflow's children: Argo through the Kubernetes API, or the local one by its socket."""

import json
import socket
from pathlib import Path
from typing import Any, Protocol

from steps.domain import errors
from steps.domain.children import RUN_LABEL
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WORKFLOWS = {"group": "argoproj.io", "version": "v1alpha1", "plural": "workflows"}
ANSWER_WITHIN_S = 60.0


class Engine(Protocol):
    """Where workflows are created, seen and stopped."""

    def create(self, manifest: dict[str, Any]) -> None:
        """Start a Workflow; raises Conflict when one of this name exists."""

    def list(self, run: str) -> list[dict[str, Any]]:
        """The Workflow objects (metadata, status) with the label herasphere/run=<run>."""

    def stop(self, name: str) -> None:
        """End a workflow's steps; its exit handler still runs. Raises NotFound."""


def connect(socket_path: str | None, *, namespace: str = "") -> Engine:
    """The local engine where there is a socket, else the cluster this pod runs in.

    namespace: of the workflows on a cluster; empty: this pod's own
    """
    if socket_path:
        return LocalEngine(socket_path)
    return KubernetesEngine(_custom_objects(), namespace or _own_namespace())


class LocalEngine:
    """The engine of `hera run`; one connection for each question, so that a forgotten one holds nothing."""

    def __init__(self, path: str) -> None:
        self.path = path

    def create(self, manifest: dict[str, Any]) -> None:
        self._ask({"do": "create", "manifest": manifest})

    def list(self, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask({"do": "list", "run": run})
        return found

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

    def __init__(self, api: Any, namespace: str) -> None:
        self.api = api
        self.where = {**WORKFLOWS, "namespace": namespace, "_request_timeout": (5, ANSWER_WITHIN_S)}

    def create(self, manifest: dict[str, Any]) -> None:
        self._call("create", manifest["metadata"].get("name", ""), body=manifest)

    def list(self, run: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("list", "", label_selector=f"{RUN_LABEL}={run}")["items"]
        return found

    def stop(self, name: str) -> None:
        self._call("patch", name, name=name, body={"spec": {"shutdown": "Stop"}})

    def _call(self, verb: str, about: str, **arguments: Any) -> Any:
        import urllib3  # comes with kubernetes
        from kubernetes.client import ApiException

        try:
            return getattr(self.api, f"{verb}_namespaced_custom_object")(**self.where, **arguments)
        except ApiException as error:
            raise _translated(error.status, str(error.reason), verb, about) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _translated(0, str(error), verb, about) from error


def _translated(status: int, reason: str, verb: str, about: str) -> HerasphereError:
    """Our error for an answer of the Kubernetes API; status 0: there was none."""
    where = f"Kubernetes API, {verb} workflows {about}".rstrip()
    if status == 409:
        return Conflict(f"the workflow {about} exists", where=where, hint="look at it, or choose another name")
    if status in (401, 403):
        return AccessDenied(
            f"not allowed ({status} {reason})",
            where=where,
            hint="give the steps' service account its role: hera deploy",
        )
    if status == 404:
        return NotFound(
            f"there is no such workflow or no Argo ({reason})", where=where, hint="see `kubectl get workflows`"
        )
    if status == 0 or status == 429 or status >= 500:
        return Unavailable(f"no answer ({status} {reason})", where=where, hint="see whether the API server is well")
    return errors.Unsupported(f"refused ({status} {reason})", where=where, hint="see `hera doctor` for Argo's version")


def _custom_objects() -> Any:
    from kubernetes import client, config  # only a pod needs it, and it takes half a second to import

    try:
        config.load_incluster_config()
    except config.ConfigException as error:
        raise NotFound(
            f"this is no pod with a service account ({error})",
            where="this step",
            hint="run it by `hera run`, or on a cluster with automountServiceAccountToken",
        ) from error
    return client.CustomObjectsApi()


def _own_namespace() -> str:
    return (SERVICE_ACCOUNT / "namespace").read_text().strip()
