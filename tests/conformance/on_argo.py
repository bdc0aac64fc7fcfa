"""Conformance cases on a real Argo: in a namespace of their own, a few at a time, each followed to its end."""

import copy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from steps.clients.kube import Kube
from steps.domain.errors import HerasphereError, NotFound
from steps.domain.wait import wait_until
from tests.conformance import example_steps
from tests.conformance.case import Case, Manifest, runs
from workflows.backends.argo.api import KubernetesBackend
from workflows.backends.argo.backend import Which
from workflows.backends.argo.changes import FINISHED
from workflows.backends.argo.watching import Watching
from workflows.defaults import SCRATCH

AT_ONCE = 4  # workflows; each pod costs a processor some seconds
TAKE_AT_MOST_S = 1800.0
GONE_WITHIN_S = 300.0
ACCOUNT = "conformance"
CODE = "/conformance"
MODULE = example_steps.__name__.replace(".", "/") + ".py"
LABELS = {"app.kubernetes.io/part-of": "herasphere", "herasphere/test": "conformance"}
RULES = [
    {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]},
    {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create", "list"]},  # a case starts a child
]
PLACES = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "WorkflowTemplate": "/apis/argoproj.io/v1alpha1/namespaces/{}/workflowtemplates",
}


@contextmanager
def namespace(kube: Kube, cases: Sequence[Case], *, image: str) -> Iterator[KubernetesBackend]:
    """A new namespace with all that the cases need but their workflows; gone afterwards, with whatever is in it."""
    name = f"conformance-{uuid4().hex[:6]}"
    backend = KubernetesBackend(Kube(kube.api, name))
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": LABELS}}
    backend.rest.call("POST", "/api/v1/namespaces", doing=f"create namespace {name}", body=body)
    try:
        for each in _needed(cases, image):
            doing = f"create {each['kind']} {each['metadata']['name']}"
            backend.rest.call("POST", PLACES[each["kind"]].format(name), doing=doing, body=each)
        yield backend
    finally:
        path = f"/api/v1/namespaces/{name}"
        backend.rest.call("DELETE", path, doing=f"delete namespace {name}")

        def gone() -> bool | None:
            try:
                backend.rest.call("GET", path, doing=f"look for namespace {name}")
            except NotFound:
                return True
            return None

        wait_until(
            gone, what="its end", where=f"namespace {name}", hint="see its status", timeout_s=GONE_WITHIN_S, every_s=1
        )


def _needed(cases: Sequence[Case], image: str) -> Iterator[Manifest]:
    about = {"metadata": {"name": ACCOUNT}}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    yield {"apiVersion": "v1", "kind": "ServiceAccount"} | about
    yield rbac | {"kind": "Role", "rules": RULES} | about
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT}]
    yield rbac | {"kind": "RoleBinding", "roleRef": role, "subjects": subjects} | about
    code = Path(example_steps.__file__).read_text()
    yield {"apiVersion": "v1", "kind": "ConfigMap", "data": {"code": code}} | about
    for name, keys in {name: keys for case in cases for name, keys in case.secrets.items()}.items():
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(keys)}
    for template in (template for case in cases for template in case.templates):
        yield for_pods(template.to_dict(), image)


def for_pods(manifest: Manifest, image: str) -> Manifest:
    """The same with what a pod needs: image, account, a place to write, and the module of the steps."""
    manifest = copy.deepcopy(manifest)
    spec = manifest["spec"]
    if "templates" not in spec:
        return manifest  # its WorkflowTemplate has all of it
    code = {"name": ACCOUNT, "items": [{"key": "code", "path": MODULE}]}
    scratch = SCRATCH.model_dump(by_alias=True, exclude_none=True)
    spec["volumes"] = _with(spec.get("volumes"), scratch, {"name": "code", "configMap": code})
    spec["serviceAccountName"] = ACCOUNT
    spec["securityContext"] = {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001}
    for script in (template["script"] for template in spec["templates"] if "script" in template):
        script |= {
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {"readOnlyRootFilesystem": True},
        }
        script["env"] = _with(script.get("env"), {"name": "PYTHONPATH", "value": CODE})
        mounts = ({"name": SCRATCH.name, "mountPath": "/tmp"}, {"name": "code", "mountPath": CODE, "readOnly": True})
        script["volumeMounts"] = _with(script.get("volumeMounts"), *mounts)
    return manifest


def _with(named: list[Manifest] | None, *more: Manifest) -> list[Manifest]:
    return list({each["name"]: each for each in [*more, *(named or [])]}.values())


class Conforming:
    """Submits cases to a namespace, as many as may run, and stops those that are to be stopped."""

    def __init__(self, backend: KubernetesBackend, cases: Sequence[Case], *, image: str) -> None:
        self.backend = backend
        self.image = image
        self.waiting = list(cases)
        self.under_way: list[Case] = []
        self.seen: dict[str, Manifest] = {}
        self.stopped: set[str] = set()
        self.over = threading.Event()

    def run(self) -> dict[str, Manifest]:
        """Every Workflow by its name, as it was at its end, or when the time was up."""
        watching = Watching(
            self.backend, Which(), changed=self._changed, deleted=self._deleted, lost=_bear, failed=_fail
        )
        limit = threading.Timer(TAKE_AT_MOST_S, self.over.set)
        limit.start()
        try:
            self._go_on()
            watching.run(self.over)
        finally:
            limit.cancel()
        return self.seen

    def _changed(self, workflow: Manifest) -> None:
        self.seen[workflow["metadata"]["name"]] = workflow
        for case in self.under_way:
            if case.stop_when and case.name not in self.stopped and runs(case.stop_when, self.seen.get(case.name)):
                self.stopped.add(case.name)
                self.backend.stop(case.name)
        self._go_on()

    def _deleted(self, name: str) -> None:
        raise AssertionError(f"somebody deleted {name}")

    def _go_on(self) -> None:
        self.under_way = [case for case in self.under_way if not self._is_over(case)]
        while self.waiting and len(self.under_way) < AT_ONCE:
            case = self.waiting.pop(0)
            self.backend.create(for_pods(case.manifest(), self.image))
            self.under_way.append(case)
        if not self.under_way:
            self.over.set()

    def _is_over(self, case: Case) -> bool:
        """Whether it has ended, and its child, if it got as far as to have one."""
        phase = self._phase(case.name)
        has_child = case.child is not None and phase == "Succeeded"
        return phase in FINISHED and (not has_child or self._phase(case.child_name) in FINISHED)

    def _phase(self, name: str) -> Any:
        return self.seen.get(name, {}).get("status", {}).get("phase")


def _bear(_error: HerasphereError) -> None:
    """The watch is taken up again."""


def _fail(error: HerasphereError) -> None:
    raise error
