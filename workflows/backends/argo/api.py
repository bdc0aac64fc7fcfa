"""Argo through the Kubernetes API alone: its custom resources, pods' logs, Secrets and the Service proxy."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from steps.clients.kube import Kube
from steps.clients.media import Media
from steps.domain.children import MEDIA_TOKEN
from steps.domain.errors import NotFound, Unavailable
from workflows.backends.argo.backend import Change, Expired, Listing, Manifest, Which
from workflows.backends.argo.rest import GONE, Rest

WATCH_S = 300  # then the server ends a watch, and it is taken up again
QUIET_S = 90.0  # a watch has a bookmark each minute; a silent one has lost its connection
LOG_QUIET_S = 60.0
MERGE = "application/merge-patch+json"
PATCH = "application/json-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
STRICT = {"fieldValidation": "Strict"}  # an unknown field is a fault, not silently dropped
DRY = {"dryRun": "All"}


class KubernetesBackend:
    """A namespace, as the user of a kubeconfig."""

    def __init__(self, kube: Kube, *, media_token: str = "") -> None:
        """media_token: of the media service; empty: it is read from its Secret."""
        self.kube = kube
        self.namespace = kube.namespace
        self.media_token = media_token
        self.rest = Rest(str(kube.api.configuration.host), kube.session, called="Kubernetes API")

    def template(self, name: str) -> Manifest:
        return self._argo("GET", f"workflowtemplates/{name}", f"look up workflow template {name}")

    def create(self, workflow: Manifest, *, dry_run: bool = False) -> Manifest:
        about = f"create workflow {workflow['metadata'].get('name', '')}"
        return self._argo("POST", "workflows", about, body=workflow, params=STRICT | (DRY if dry_run else {}))

    def get(self, name: str) -> Manifest:
        return self._argo("GET", f"workflows/{name}", f"look up workflow {name}")

    def listing(self, which: Which) -> Listing:
        found = self._argo("GET", "workflows", "list workflows", params=_selected(which))
        return Listing(found["items"], str(found["metadata"]["resourceVersion"]))

    def overview(self) -> list[Manifest]:
        items: list[Manifest] = self._argo("GET", "workflows", "list workflows", accept=METADATA_ONLY)["items"]
        return items

    def watch(self, which: Which, version: str) -> Iterator[Change]:
        params = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": WATCH_S}
        lines = self.rest.lines(
            self._path("workflows"), doing="watch workflows", params=params | _selected(which), quiet_s=QUIET_S
        )
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:  # cut off in the middle
                return
            if told["type"] == "ERROR":
                if told["object"].get("code") == GONE:
                    raise Expired
                what = f"the watch ended: {told['object'].get('message', '')}"
                raise Unavailable(what, where="Kubernetes API", hint="see whether the API server is well")
            at = str(told["object"]["metadata"]["resourceVersion"])
            is_news = told["type"] != "BOOKMARK"
            yield Change(at, told["object"] if is_news else None, gone=told["type"] == "DELETED")

    def stop(self, name: str) -> None:
        body = {"spec": {"shutdown": "Stop"}}
        self._argo("PATCH", f"workflows/{name}", f"stop workflow {name}", body=body, content_type=MERGE)

    def resume(self, workflow: Manifest) -> None:
        """As Argo does it: the suspend nodes have succeeded. Tested, so that a node is never set back."""
        name, now = workflow["metadata"]["name"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        patch: list[Manifest] = []
        for key, node in (workflow.get("status", {}).get("nodes") or {}).items():
            if node.get("type") == "Suspend" and node.get("phase") == "Running":
                place = f"/status/nodes/{key.replace('~', '~0').replace('/', '~1')}"
                patch += [
                    {"op": "test", "path": f"{place}/phase", "value": "Running"},
                    {"op": "replace", "path": f"{place}/phase", "value": "Succeeded"},
                    {"op": "add", "path": f"{place}/finishedAt", "value": now},
                ]
        if workflow.get("spec", {}).get("suspend"):
            patch.append({"op": "remove", "path": "/spec/suspend"})
        self._argo("PATCH", f"workflows/{name}", f"resume workflow {name}", body=patch, content_type=PATCH)

    def pod_log(self, workflow: str, pod: str, *, since_s: float, follow: bool) -> Iterator[str]:
        params = {"container": "main", "timestamps": "true", "follow": "true" if follow else "false"}
        if since_s:
            params["sinceTime"] = datetime.fromtimestamp(int(since_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        return self.rest.lines(path, doing=f"read the log of {workflow}'s {pod}", params=params, quiet_s=LOG_QUIET_S)

    def create_schedule(self, schedule: Manifest, *, dry_run: bool = False) -> Manifest:
        about = f"create schedule {schedule['metadata']['name']}"
        return self._argo("POST", "cronworkflows", about, body=schedule, params=STRICT | (DRY if dry_run else {}))

    def schedule(self, name: str) -> Manifest:
        return self._argo("GET", f"cronworkflows/{name}", f"look up schedule {name}")

    def schedules(self) -> list[Manifest]:
        items: list[Manifest] = self._argo("GET", "cronworkflows", "list schedules")["items"]
        return items

    def suspend_schedule(self, name: str, suspended: bool) -> None:
        body, about = {"spec": {"suspend": suspended}}, f"change schedule {name}"
        self._argo("PATCH", f"cronworkflows/{name}", about, body=body, content_type=MERGE)

    def delete_schedule(self, name: str) -> None:
        self._argo("DELETE", f"cronworkflows/{name}", f"delete schedule {name}")

    def secrets(self) -> "KubernetesSecrets":
        return KubernetesSecrets(self.rest, self.namespace)

    def media(self) -> Media:
        url = self.kube.service_url("herasphere-media", "control")
        return Media(url, self.media_token or self._media_token(), session=self.kube.session())

    def _media_token(self) -> str:
        path = _secrets(self.namespace, MEDIA_TOKEN.name)
        secret = self.rest.call("GET", path, doing=f"read the media service's token in secret {MEDIA_TOKEN.name}")
        try:
            return base64.b64decode(secret["data"][MEDIA_TOKEN.key]).decode().strip()
        except (KeyError, ValueError) as error:
            hint = "`hera deploy` makes it"
            raise NotFound(
                f"there is no key {MEDIA_TOKEN.key}", where=f"secret {MEDIA_TOKEN.name}", hint=hint
            ) from error

    def _argo(self, method: str, place: str, doing: str, **how: Any) -> Manifest:
        made: Manifest = self.rest.call(method, self._path(place), doing=doing, **how)
        return made

    def _path(self, place: str) -> str:
        return f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/{place}"


class KubernetesSecrets:
    """Desk secrets: made and given away, never read."""

    def __init__(self, rest: Rest, namespace: str) -> None:
        self.rest = rest
        self.path = _secrets(namespace)

    def create(self, secret: Manifest, *, dry_run: bool = False) -> None:
        about = f"create secret {secret['metadata']['name']}"
        self.rest.call("POST", self.path, doing=about, body=secret, params=DRY if dry_run else None)

    def delete(self, name: str) -> None:
        self.rest.call("DELETE", f"{self.path}/{name}", doing=f"delete secret {name}")

    def check(self, name: str) -> None:
        """By a change that changes nothing: to read it would take a right that nobody needs."""
        body = [{"op": "test", "path": "/metadata/name", "value": name}]
        path = f"{self.path}/{name}"
        self.rest.call("PATCH", path, doing=f"look for secret {name}", body=body, params=DRY, content_type=PATCH)

    def give(self, name: str, owner: Manifest, *, first: bool) -> None:
        metadata = owner["metadata"]
        reference = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": owner["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        place = "/metadata/ownerReferences"
        change = {"path": place, "value": [reference]} if first else {"path": f"{place}/-", "value": reference}
        about = f"have secret {name} live as long as {metadata['name']}"
        self.rest.call("PATCH", f"{self.path}/{name}", doing=about, body=[{"op": "add"} | change], content_type=PATCH)


def _secrets(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/secrets" + (f"/{name}" if name else "")


def _selected(which: Which) -> dict[str, str]:
    selected = {"labelSelector": which.selector} if which.selector else {}
    return selected | ({"fieldSelector": f"metadata.name={which.name}"} if which.name else {})
