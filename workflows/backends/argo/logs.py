"""The logs of a run's pods, followed while they run."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from steps.domain.errors import AccessDenied, HerasphereError
from workflows.backends.argo.backend import Workflows
from workflows.backends.argo.podlog import Pod, Position, event_of
from workflows.backends.events import Event

AT_ONCE = 32  # connections; a step that is not followed is told from its Workflow alone
AGAIN_AFTER_S = 1.0


class LogFollowers:
    """Follows the logs of pods, each in a thread of its own, at most AT_ONCE: of more, the newest come first.

    line and ended are called from those threads. missed: where else to look for the log of a pod that came and went
    """

    def __init__(
        self,
        workflows: Workflows,
        line: Callable[[Pod, Event], None],
        ended: Callable[[Pod], None],
        missed: Callable[[Pod], Iterable[Event]],
    ) -> None:
        self.workflows = workflows
        self.line = line
        self.ended = ended
        self.missed = missed
        self.lock = threading.Lock()
        self.running = 0
        self.waiting: list[Pod] = []
        self.over: dict[str, threading.Event] = {}
        self.stopping = False
        self.is_denied = False

    def follow(self, pod: Pod) -> bool:
        """Begin to follow this pod, now or when there is room."""
        with self.lock:
            self.over[pod.name] = threading.Event()
            self.waiting.append(pod)
        self._start()
        return True

    def is_over(self, pod: str) -> None:
        """This pod's step has ended: what its log holds now is all that will come."""
        with self.lock:
            over = self.over.get(pod)
            missed = [each for each in self.waiting if each.name == pod]
            self.waiting = [each for each in self.waiting if each.name != pod]
        if over is not None:
            over.set()
        for each in missed:
            self.ended(each)

    def stop(self) -> None:
        """Begin no more, and end those that run with the next line that they read."""
        with self.lock:
            self.stopping = True
            self.waiting.clear()
        for over in self.over.values():
            over.set()

    def _start(self) -> None:
        with self.lock:
            if self.stopping or self.running >= AT_ONCE or not self.waiting:
                return
            pod = self.waiting.pop()
            self.running += 1
        threading.Thread(target=self._run, args=(pod,), daemon=True, name=f"log of {pod.name}").start()

    def _run(self, pod: Pod) -> None:
        was_heard = False
        try:
            for event in followed(self.workflows, pod, self.over[pod.name]):
                if self.stopping:
                    return
                was_heard = True
                self.line(pod, event)
            if not was_heard and not self.stopping:
                for event in self.missed(pod):
                    self.line(pod, event)
        except AccessDenied as error:  # what the logs would have told is told by the Workflows, later
            if not self.is_denied:
                self.is_denied = True
                text = f"logs cannot be read, so progress comes about once a minute ({error})"
                self.line(pod, Event(at=time.time(), kind="say", workflow=pod.workflow, run=pod.run, text=text))
        finally:
            with self.lock:
                self.running -= 1
            self.ended(pod)
            self._start()


def followed(workflows: Workflows, pod: Pod, over: threading.Event) -> Iterator[Event]:
    """Events of a pod's log as they come, until the step is over and its log was read after that.

    The pod may be deleted and made again under its name, and the connection lost: what was told is not told again.
    """
    position = Position()
    while True:
        was_over = over.is_set()
        try:
            for line in workflows.pod_log(pod.workflow, pod.name, since_s=position.at_s, follow=not was_over):
                event = event_of(line, pod) if position.is_new(line) else None
                if event is not None:
                    yield event
        except AccessDenied:
            raise
        except HerasphereError:  # not begun yet, gone, or no answer
            pass
        if was_over:
            return
        over.wait(AGAIN_AFTER_S)
