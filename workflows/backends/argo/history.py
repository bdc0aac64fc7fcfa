"""What the pods of a run have said so far, wherever that is now: in a pod's log, or in the run store."""

import re
from collections.abc import Iterator
from contextlib import suppress

from steps.clients.runstore import log_name
from steps.domain.errors import HerasphereError, NotFound, Unsupported
from steps.domain.outcome import mapping, text
from workflows.backends.argo.backend import Backend, Manifest
from workflows.backends.argo.changes import FULFILLED, pod_of
from workflows.backends.argo.follow import children_of
from workflows.backends.argo.podlog import Pod, event_of
from workflows.backends.argo.runs import host_of
from workflows.backends.events import Event

KEPT = re.compile(r"logs/(?P<workflow>[^/]+)/(?P<template>[^/]+)\.(?P<number>[0-9]+)\.jsonl")


class History:
    """One run's. With an Argo server there is no way to the run store, and pods alone are asked."""

    def __init__(self, backend: Backend, run: str) -> None:
        self.backend = backend
        self.run = run
        self.kept = self._kept()

    def pods(self) -> list[Pod]:
        """Every pod there is or was, in the order they began; NotFound for a run nobody remembers."""
        try:
            root = self.backend.get(self.run)
        except NotFound:
            if not self.kept:
                raise
            return [self._pod_of_file(name) for name in self.kept if KEPT.fullmatch(name)]
        workflows = [root, *self.backend.listing(children_of(self.run)).items]
        found = [each for workflow in workflows for each in _pods(workflow, self.run)]
        return [pod for _, pod in sorted(found, key=lambda each: each[0])]

    def of(self, pod: Pod) -> Iterator[Event]:
        """What it said; nothing if that is nowhere any more."""
        lines = self._in_the_pod(pod) or self.in_the_store(pod)
        for line in lines:
            event = event_of(line, pod)
            if event is not None:
                yield event

    def in_the_store(self, pod: Pod) -> list[str]:
        """The lines that the step has sent there at its end."""
        name = log_name(f"{pod.workflow}-{pod.name.rpartition('-')[2]}", pod.template)
        with suppress(NotFound, Unsupported), self.backend.media() as media:
            return media.file(self.run, name).splitlines()
        return []

    def missed(self, pod: Pod) -> Iterator[Event]:
        """What a pod has said that was gone before it could be read."""
        with suppress(HerasphereError):
            for line in self.in_the_store(pod):
                event = event_of(line, pod)
                if event is not None:
                    yield event

    def _in_the_pod(self, pod: Pod) -> list[str]:
        with suppress(NotFound, Unsupported):  # gone, or not begun
            return list(self.backend.pod_log(pod.workflow, pod.name, since_s=0.0, follow=False))
        return []

    def _kept(self) -> list[str]:
        with suppress(Unsupported, NotFound), self.backend.media() as media:
            return [file.name for file in sorted(media.files(self.run), key=lambda file: file.at)]
        return []

    def _pod_of_file(self, name: str) -> Pod:
        found = KEPT.fullmatch(name)
        assert found is not None
        workflow, template, number = found["workflow"], found["template"], found["number"]
        host = workflow.removeprefix(self.run).removeprefix("-")
        return Pod(f"{workflow}-{template}-{number}", workflow, self.run, host, template, template, ended=True)


def _pods(workflow: Manifest, run: str) -> Iterator[tuple[str, Pod]]:
    """Each pod with the moment it began."""
    name = text(workflow["metadata"]["name"])
    for node in mapping(mapping(workflow.get("status")).get("nodes")).values():
        if mapping(node).get("type") == "Pod" and node.get("startedAt"):
            display, template = text(node.get("displayName")), text(node.get("templateName"))
            ended = node.get("phase") in FULFILLED
            yield (
                text(node["startedAt"]),
                Pod(pod_of(node, name), name, run, host_of(workflow), display, template, ended),
            )
