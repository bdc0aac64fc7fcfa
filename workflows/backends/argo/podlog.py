"""Lines of pods' logs: which of them are new after a connection was lost, and which events they are."""

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workflows.backends.events import Event, event_of_line

NOT_OURS = re.compile(  # lines of Argo's executor, and what Hera's runner prints of a step without a result
    r".* argo=true.*|Error: exit status \d+|null"
)


@dataclass(frozen=True)
class Pod:
    """A pod, and which step of which host it is. ended: it had when it was seen"""

    name: str
    workflow: str
    run: str
    host: str
    node: str
    template: str
    ended: bool = False


def pod_with(event: Event, name: str, *, ended: bool) -> Pod:
    """The pod of this name, whose step's event this is."""
    return Pod(name, event.workflow, event.run, event.host, event.node, event.template, ended)


class Position:
    """How far a log has been read. Asked again from `at_s` on, the lines of that second come a second time."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self.second = ""
        self.seen: set[str] = set()

    def is_new(self, line: str) -> bool:
        """Whether this line, behind its time stamp, was not read before."""
        stamp = line.partition(" ")[0]
        at_s, second = seconds_of(stamp), stamp[:19]
        if not at_s:
            return True
        if second < self.second or (second == self.second and line in self.seen):
            return False
        if second != self.second:
            self.seen.clear()
        self.at_s, self.second = at_s, second
        self.seen.add(line)
        return True


def seconds_of(stamp: str) -> float:
    """An RFC 3339 time, as Kubernetes puts before each line, in seconds since 1970; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return 0.0
    return moment.timestamp() if moment.tzinfo else 0.0


def event_of(line: str, pod: Pod) -> Event | None:
    """The event which a line of a pod's log is, with or without a time stamp before it; None for the executor's own."""
    stamp, blank, rest = line.partition(" ")
    at = seconds_of(stamp) if blank else 0.0
    text = rest if at else line
    if NOT_OURS.fullmatch(text):
        return None
    try:
        fields = json.loads(text) if text.startswith("{") else None
    except ValueError:
        fields = None
    about: dict[str, Any] = {
        "workflow": pod.workflow,
        "run": pod.run,
        "host": pod.host,
        "node": pod.node,
        "template": pod.template,
    }
    if not isinstance(fields, dict) or "kind" not in fields:
        return Event(at=at, kind="log", text=text, **about) if text.strip() else None
    event = event_of_line(fields, **about)
    return event if event.at else replace(event, at=at)
