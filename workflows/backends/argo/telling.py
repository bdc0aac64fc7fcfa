"""Puts together what a run's Workflows say and what its pods' logs say, into one story without doubles.

A Workflow's status tells of a step's end a moment before its log has been read to the end, or a minute after: a step's
end is held back until its log has ended, for some seconds at most.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from steps.domain.outcome import failure_of, is_empty_talk
from workflows.backends.argo.backend import Manifest
from workflows.backends.argo.changes import FINISHED, FULFILLED, Told, changes, pod_of
from workflows.backends.argo.podlog import Pod, pod_with
from workflows.backends.events import Event

LOG_LAGS_S = 5.0
BAD = ("Failed", "Error")
STOPPED = ("workflow shutdown with strategy", "stopped with strategy")


@dataclass
class _Step:
    """What the log of one pod has told so far."""

    follows: bool = False  # its log is being read
    percent: int = -1
    text: str = ""
    faulted: bool = False


@dataclass
class _Waiting:
    """Events of one Workflow in their order, the first of which may have to wait for a log."""

    queue: deque[Told] = field(default_factory=deque)
    since: float | None = None


class Telling:
    """A run's story. Its own end is the last word: told when the hosts' workflows are all seen, and told.

    follow: called for each pod that begins to run, or has run; where it returns True, log_ended is to be called later
    """

    def __init__(self, run: str, follow: Callable[[Pod], bool]) -> None:
        self.run = run
        self.follow = follow
        self.all_seen = False
        self.workflows: dict[str, Manifest] = {}
        self.steps: dict[str, _Step] = {}
        self.waiting: dict[str, _Waiting] = {}

    def look(self, workflow: Manifest, now: float) -> None:
        """Take in a Workflow as it is now; an older look than the last, of another watch, is passed over."""
        name = workflow["metadata"]["name"]
        if _version(workflow) < _version(self.workflows.get(name, {})):
            return
        for told in changes(self.workflows.get(name), workflow, now=now):
            if told.event.kind == "node-started":
                self.steps[told.pod] = _Step()
                pod = pod_with(told.event, told.pod, ended=not _still_runs(told.pod, workflow))
                self.steps[told.pod].follows = self.follow(pod)
            self.waiting.setdefault(name, _Waiting()).queue.append(told)
        self.workflows[name] = workflow

    def line(self, pod: Pod, event: Event) -> Iterator[Event]:
        """Take in an event from a pod's log; it is told at once, but for what has to be told before it."""
        waiting = self.waiting.get(pod.workflow, _Waiting())
        while any(told.pod == pod.name and told.event.kind == "node-started" for told in waiting.queue):
            waiting.since = None
            yield from self._filled_in(waiting.queue.popleft())
        step = self.steps.setdefault(pod.name, _Step())
        if event.kind == "progress":
            step.percent, step.text = event.percent or 0, event.text
        step.faulted = step.faulted or event.kind == "fault"
        yield event

    def log_ended(self, pod: Pod) -> None:
        """Nothing more will come from this pod's log."""
        self.steps.setdefault(pod.name, _Step()).follows = False

    def due(self, now: float) -> Iterator[Event]:
        """The events that need not wait any longer."""
        own = self.waiting.get(self.run)
        for waiting in (*(each for each in self.waiting.values() if each is not own), own):
            while waiting and waiting.queue and self._is_due(waiting, now):
                yield from self._filled_in(waiting.queue.popleft())

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, and everything has been told."""
        phase = self.workflows.get(self.run, {}).get("status", {}).get("phase", "")
        return phase in FINISHED and not any(waiting.queue for waiting in self.waiting.values())

    def _is_due(self, waiting: _Waiting, now: float) -> bool:
        head = waiting.queue[0]
        if head.pod and head.event.phase in FULFILLED and self.steps.get(head.pod, _Step()).follows:
            waiting.since = waiting.since if waiting.since is not None else now
            if now - waiting.since < LOG_LAGS_S:
                return False
        waiting.since = None
        is_last_word = head.event.kind == "workflow-finished" and head.event.workflow == self.run
        others = (each for each in self.waiting.values() if each is not waiting)
        return not is_last_word or (self.all_seen and not any(each.queue for each in others))

    def _filled_in(self, told: Told) -> Iterator[Event]:
        """The event; before it a fault, and without it a progress, according to what the log told or did not tell."""
        event, step = told.event, self.steps.get(told.pod, _Step())
        if event.kind == "progress":
            better = event.percent is not None and event.percent > step.percent
            if better or (event.percent == step.percent and not step.text and event.text):
                step.percent, step.text = event.percent or 0, event.text
                yield event
            return
        if event.kind == "node-finished" and event.phase in BAD and not step.faulted:
            stopped = event.text.lower().startswith(STOPPED)
            if not stopped and not is_empty_talk(event.text):
                why = failure_of(event.template, event.text, event.host)
                yield replace(event, kind="fault", phase="", text=why.what, hint=why.hint, exit_code=why.exit_code)
        yield event


def _still_runs(pod: str, workflow: Manifest) -> bool:
    """False for a pod that ended before it was first seen."""
    name, nodes = workflow["metadata"]["name"], workflow["status"]["nodes"].values()
    return any(node.get("phase") == "Running" and pod_of(node, name) == pod for node in nodes)


def _version(workflow: Manifest) -> int:
    """Counts up with each change; 0 where it is none that can be compared."""
    version = str(workflow.get("metadata", {}).get("resourceVersion", ""))
    return int(version) if version.isdigit() else 0
