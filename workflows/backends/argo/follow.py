"""A run as it happens on Argo, event by event, until it has ended."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from steps.domain.children import HOST_LABEL, RUN_LABEL
from steps.domain.errors import HerasphereError, NotFound
from workflows.backends.argo.backend import Manifest, Which, Workflows
from workflows.backends.argo.changes import FINISHED, FULFILLED, pod_of
from workflows.backends.argo.logs import LogFollowers
from workflows.backends.argo.podlog import Pod
from workflows.backends.argo.telling import Telling
from workflows.backends.argo.watching import Watching
from workflows.backends.events import Event

LOOK_EVERY_S = 0.5  # for what is due although nothing new came


def children_of(run: str) -> Which:
    """The Workflows of a run's hosts."""
    return Which(selector=f"{RUN_LABEL}={run},{HOST_LABEL}")


class Following:
    """Follows one run. Its parent is watched by name: what was started in Argo's UI has its label a moment later.

    Leaving it (an exception in the loop over its events, Ctrl-C) touches nothing of the run.
    """

    def __init__(
        self,
        workflows: Workflows,
        run: str,
        *,
        heard: Collection[str] | None = None,
        missed: Callable[[Pod], Iterable[Event]] = lambda _: (),
    ) -> None:
        """heard: pods whose logs were read before; those of all others are read. None: what has ended is not read

        missed: where else to look for the log of a pod that was gone before it could be read
        """
        self.workflows = workflows
        self.run = run
        self.news: queue.SimpleQueue[Callable[[], Iterable[Event]]] = queue.SimpleQueue()
        self.logs = LogFollowers(
            workflows,
            line=lambda pod, event: self.news.put(lambda: self.telling.line(pod, event)),
            ended=lambda pod: self.news.put(partial(self._log_ended, pod)),
            missed=missed,
        )
        self.telling = Telling(run, self._follow)
        self.heard = heard
        self.stop = threading.Event()
        self.is_lost = False

    @property
    def root(self) -> Manifest:
        """The run's own Workflow as it was last seen."""
        return self.telling.workflows[self.run]

    @property
    def children(self) -> list[Manifest]:
        """The hosts' Workflows as they were last seen."""
        return [workflow for name, workflow in self.telling.workflows.items() if name != self.run]

    def events(self) -> Iterator[Event]:
        """Everything that has happened and happens, until the run has ended. NotFound if there is no such run."""
        self._changed(self.workflows.get(self.run))
        try:
            yield from self._due()
            if not self._is_over():
                for which in (Which(name=self.run), children_of(self.run)):
                    self._watch(which)
            while not self._is_over():
                yield from self._take_news()
            for child in self.workflows.listing(children_of(self.run)).items:  # of which the other watch may be late
                self._changed(child)
            self.telling.all_seen = True
            yield from self._due()
            while not self.telling.is_over:
                yield from self._take_news()
        finally:
            self.stop.set()
            self.logs.stop()

    def _is_over(self) -> bool:
        return self.root.get("status", {}).get("phase") in FINISHED

    def _due(self) -> Iterator[Event]:
        return self.telling.due(time.monotonic())

    def _take_news(self) -> Iterator[Event]:
        with contextlib.suppress(queue.Empty):
            yield from self.news.get(timeout=LOOK_EVERY_S)()
        yield from self._due()

    def _changed(self, workflow: Manifest) -> Iterable[Event]:
        self.is_lost = False
        self.telling.look(workflow, time.time())
        for node in (workflow.get("status", {}).get("nodes") or {}).values():
            if node.get("type") == "Pod" and node.get("phase") in FULFILLED:
                self.logs.is_over(pod_of(node, workflow["metadata"]["name"]))
        return ()

    def _follow(self, pod: Pod) -> bool:
        if pod.ended if self.heard is None else pod.name in self.heard:
            return False
        return self.logs.follow(pod)

    def _deleted(self, name: str) -> Iterable[Event]:
        if name == self.run:
            hint = "a deleted run does not clean up: look at the BMCs of its hosts; `hera stop` ends a run safely"
            raise NotFound("the run was deleted", where=self.run, hint=hint)
        return ()

    def _lost(self, error: HerasphereError) -> Iterable[Event]:
        if self.is_lost:
            return ()
        self.is_lost = True
        text = f"connection lost, trying again; the run goes on ({error})"
        return [Event(at=time.time(), kind="say", workflow=self.run, run=self.run, text=text)]

    def _failed(self, error: HerasphereError) -> Iterable[Event]:
        raise error

    def _log_ended(self, pod: Pod) -> Iterable[Event]:
        self.telling.log_ended(pod)
        return ()

    def _watch(self, which: Which) -> None:
        watching = Watching(
            self.workflows,
            which,
            changed=lambda workflow: self.news.put(partial(self._changed, workflow)),
            deleted=lambda name: self.news.put(partial(self._deleted, name)),
            lost=lambda error: self.news.put(partial(self._lost, error)),
            failed=lambda error: self.news.put(partial(self._failed, error)),
        )
        watching.known |= {which.name} - {""}  # it was there a moment ago
        threading.Thread(target=watching.run, args=(self.stop,), daemon=True, name=f"watch of {which}").start()
