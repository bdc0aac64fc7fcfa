"""Argo through an Argo server's REST API, where that is all a person can reach."""

import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from steps.clients.media import Media
from steps.domain.errors import Refused, Unsupported
from workflows.backends.argo.backend import Change, DeskSecrets, Expired, Listing, Manifest, Which
from workflows.backends.argo.rest import Rest

QUIET_S = 90.0
LOG_QUIET_S = 10.0  # it keeps a pod's log open until the whole workflow has ended: a quiet one is asked for again
CLOCKS_DIFFER_S = 120  # by no more than this, it is hoped, between the desk and a node
STREAM = "text/event-stream"


class ServerBackend:
    """A namespace, as the user whose token this is."""

    def __init__(self, url: str, token: str, *, namespace: str, ca: str = "") -> None:
        """ca: file of the certificates to trust, and no others; empty: the well-known ones"""
        self.namespace = namespace
        self.rest = Rest(url, _sessions(token, ca), called=f"Argo server {url}")

    def template(self, name: str) -> Manifest:
        return self._call("GET", "workflow-templates", name, f"look up workflow template {name}")

    def create(self, workflow: Manifest, *, dry_run: bool = False) -> Manifest:
        about = f"create workflow {workflow['metadata'].get('name', '')}"
        body = {"namespace": self.namespace, "workflow": workflow, "serverDryRun": dry_run}
        return self._call("POST", "workflows", "", about, body=body)

    def get(self, name: str) -> Manifest:
        return self._call("GET", "workflows", name, f"look up workflow {name}")

    def listing(self, which: Which) -> Listing:
        found = self._call("GET", "workflows", "", "list workflows", params=_selected(which))
        return Listing(found.get("items") or [], str((found.get("metadata") or {}).get("resourceVersion", "")))

    def overview(self) -> list[Manifest]:
        params = {"fields": "items.metadata"}
        items: list[Manifest] = self._call("GET", "workflows", "", "list workflows", params=params).get("items") or []
        return items

    def watch(self, which: Which, version: str) -> Iterator[Change]:
        params = _selected(which) | {"listOptions.resourceVersion": version}
        path = f"/api/v1/workflow-events/{self.namespace}"
        for told in self._stream(path, doing="watch workflows", params=params, quiet_s=QUIET_S):
            workflow = told.get("object")
            if workflow and told.get("type") != "BOOKMARK":
                at = str(workflow["metadata"].get("resourceVersion", ""))
                yield Change(at, workflow, gone=told.get("type") == "DELETED")

    def stop(self, name: str) -> None:
        self._call("PUT", "workflows", f"{name}/stop", f"stop workflow {name}", body=self._named(name))

    def resume(self, workflow: Manifest) -> None:
        name = workflow["metadata"]["name"]
        self._call("PUT", "workflows", f"{name}/resume", f"resume workflow {name}", body=self._named(name))

    def pod_log(self, workflow: str, pod: str, *, since_s: float, follow: bool) -> Iterator[str]:
        params: dict[str, Any] = {
            "podName": pod,
            "logOptions.container": "main",
            "logOptions.timestamps": "true",
            "logOptions.follow": "true" if follow else "false",
        }
        if since_s:  # a moment cannot be given here, only an age
            params["logOptions.sinceSeconds"] = max(1, math.ceil(time.time() - since_s) + CLOCKS_DIFFER_S)
        path = f"/api/v1/workflows/{self.namespace}/{workflow}/log"
        for told in self._stream(path, doing=f"read the log of {workflow}'s {pod}", params=params, quiet_s=LOG_QUIET_S):
            yield str(told.get("content", ""))

    def create_schedule(self, schedule: Manifest, *, dry_run: bool = False) -> Manifest:
        body = {"namespace": self.namespace, "cronWorkflow": schedule}
        about = f"create schedule {schedule['metadata']['name']}"
        return self._call("POST", "cron-workflows", "lint" if dry_run else "", about, body=body)

    def schedule(self, name: str) -> Manifest:
        return self._call("GET", "cron-workflows", name, f"look up schedule {name}")

    def schedules(self) -> list[Manifest]:
        items: list[Manifest] = self._call("GET", "cron-workflows", "", "list schedules").get("items") or []
        return items

    def suspend_schedule(self, name: str, suspended: bool) -> None:
        verb = "suspend" if suspended else "resume"
        self._call("PUT", "cron-workflows", f"{name}/{verb}", f"{verb} schedule {name}", body=self._named(name))

    def delete_schedule(self, name: str) -> None:
        self._call("DELETE", "cron-workflows", name, f"delete schedule {name}")

    def secrets(self) -> DeskSecrets:
        hint = "leave out --server to go through the Kubernetes API, or use {secret: NAME, key: KEY} in the table"
        raise Refused("an Argo server has no calls for secrets", where=self.rest.called, hint=hint)

    def media(self) -> Media:
        hint = "leave out --server to go through the Kubernetes API, or name it: --media URL"
        raise Unsupported("an Argo server is no way to the media service", where=self.rest.called, hint=hint)

    def _named(self, name: str) -> Manifest:
        return {"name": name, "namespace": self.namespace}

    def _call(self, method: str, kind: str, name: str, doing: str, **how: Any) -> Manifest:
        path = f"/api/v1/{kind}/{self.namespace}" + (f"/{name}" if name else "")
        made: Manifest = self.rest.call(method, path, doing=doing, **how)
        return made

    def _stream(self, path: str, *, doing: str, params: dict[str, Any], quiet_s: float) -> Iterator[Manifest]:
        """The results in a stream of server-sent events; it ends with an error that says no more than that."""
        for line in self.rest.lines(path, doing=doing, params=params, quiet_s=quiet_s, accept=STREAM):
            if not line.startswith("data: "):
                continue
            try:
                told = json.loads(line.removeprefix("data: "))
            except ValueError:  # cut off in the middle
                return
            if "error" in told:
                if "too old" in str(told["error"]) or "expired" in str(told["error"]).lower():
                    raise Expired
                return
            yield told.get("result") or {}


def _sessions(token: str, ca: str) -> Callable[[], requests.Session]:
    def session() -> requests.Session:
        made = requests.Session()
        made.trust_env = False
        made.verify = ca or True
        made.headers["Authorization"] = token if " " in token else f"Bearer {token}"
        return made

    return session


def _selected(which: Which) -> dict[str, str]:
    selected = {"listOptions.labelSelector": which.selector} if which.selector else {}
    return selected | ({"listOptions.fieldSelector": f"metadata.name={which.name}"} if which.name else {})
