"""A run as it happens: one line per host on a terminal, plain lines elsewhere, or JSON. One view for every engine."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from steps.domain.outcome import is_empty_talk
from workflows.backends.events import Event

PLAIN_EVERY_PERCENT = 10
CLEAN_UPS = ("eject-iso", "destroy-vm")
OF_A_WORKFLOW = {"workflow-waiting": "waiting", "workflow-stopping": "stopping"}
FINISHED = {"Succeeded": "verified", "Failed": "failed", "Error": "failed"}


class View(Protocol):
    """Takes a run's events as they come; a context manager around the run."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, event: Event) -> None: ...


@dataclass
class HostLine:
    """What is shown of one host. What failed, or what proved it, stays shown while the clean-up goes on."""

    name: str
    stage: str = "waiting"
    percent: int = 0
    text: str = ""
    started_s: float | None = None
    ended_s: float | None = None
    outcome: Literal["", "verified", "failed"] = ""

    def take(self, event: Event) -> None:
        """Fold one event in."""
        if event.kind == "fault":
            self.outcome, self.stage = "failed", event.template
            self.text = f"{event.text} (hint: {event.hint})"
        elif event.kind == "workflow-finished":
            self.ended_s = event.at
            self.outcome = "verified" if event.phase == "Succeeded" else "failed"
            if self.outcome == "verified":
                self.percent = 100
            elif not self.text:
                self.text = event.text
        elif event.kind == "workflow-waiting" and not self.outcome:
            self.text = event.text
        elif event.kind == "node-started" and event.template:
            self.started_s = self.started_s or event.at
            is_again = event.template == self.stage  # the fault has passed, or may have
            if event.template not in CLEAN_UPS and (is_again or not self.outcome):
                self.stage, self.percent, self.text, self.outcome = event.template, 0, "", ""
        elif event.kind == "progress" and event.template not in CLEAN_UPS:
            self.percent, self.text = event.percent or 0, event.text or self.text

    def elapsed(self, now_s: float) -> str:
        """Minutes and seconds since its first step."""
        if self.started_s is None:
            return ""
        seconds = int((self.ended_s or now_s) - self.started_s)
        return f"{seconds // 60}:{seconds % 60:02}"


def view_for(*, as_json: bool, hosts: list[str], image: str = "") -> "View":
    """The view that fits where the output goes. image: what is built, in a run that is about no hosts"""
    if as_json:
        return JsonView()
    shown = [image] if image else hosts
    view = TerminalView(shown) if sys.stderr.isatty() else PlainView(shown)
    return ImageView(image, view) if image else view


@dataclass
class ImageView:
    """The run's own events as those of the image it builds."""

    image: str
    view: View

    def __enter__(self) -> Self:
        self.view.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.view.__exit__(kind, error, trace)

    def show(self, event: Event) -> None:
        self.view.show(replace(event, host=self.image))


class JsonView:
    """Each event as a line of JSON on stdout."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        print(json.dumps(event.to_dict()), flush=True)


class PlainView:
    """A line on stderr whenever something happens that a person would want in a log."""

    def __init__(self, hosts: list[str], write: Callable[[str], None] | None = None) -> None:
        self.told = dict.fromkeys(hosts, -PLAIN_EVERY_PERCENT)
        self.width = max((len(name) for name in hosts), default=0)
        self.write = write or _to_stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        if event.host and event.host not in self.told:  # who joins a run that is under way knows no hosts
            self.told[event.host], self.width = -PLAIN_EVERY_PERCENT, max(self.width, len(event.host))
        text, share = event.text, "     "
        if event.kind == "node-started" and event.template:
            self.told[event.host] = -PLAIN_EVERY_PERCENT
        elif event.kind == "progress":
            percent = event.percent or 0
            if percent < 100 and percent - self.told.get(event.host, 0) < PLAIN_EVERY_PERCENT:
                return
            self.told[event.host], share = percent, f"{percent:3} %"
        elif event.kind == "fault":
            text = f"{event.text} (hint: {event.hint})"
        elif event.kind not in ("workflow-finished", "workflow-waiting", "workflow-stopping"):
            if event.kind == "say" and not event.template:  # about the run, not of a step
                self.write(event.text)
            return
        if event.host:
            what = OF_A_WORKFLOW.get(event.kind, event.template)
            if event.kind == "workflow-finished":
                what, text = FINISHED.get(event.phase, event.phase), "" if is_empty_talk(text) else text
            clock = time.strftime("%H:%M:%S", time.localtime(event.at))
            self.write(f"{clock}  {event.host:{self.width}}  {what:15}  {share}  {text}".rstrip())
        elif event.kind in ("fault", "workflow-waiting"):
            self.write(f"{event.template or event.workflow}: {text}")


class TerminalView:
    """One line per host, redrawn in place; failed hosts and those under way first when there are more than fit."""

    def __init__(self, hosts: list[str], console: Console | None = None) -> None:
        self.lines = {name: HostLine(name) for name in hosts}
        self.console = console or Console(stderr=True)

    def __enter__(self) -> Self:
        self.live = Live(get_renderable=self._table, console=self.console, refresh_per_second=4)
        self.live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.__exit__(None, None, None)

    def show(self, event: Event) -> None:
        if event.host:
            self.lines.setdefault(event.host, HostLine(event.host)).take(event)
        elif event.kind == "fault":
            self.console.print(Text(f"{event.template}: {event.text} (hint: {event.hint})", style="red"))
        elif event.kind == "workflow-waiting":
            self.console.print(Text(f"{event.template or event.workflow}: {event.text}", style="yellow"))
        elif event.kind == "say" and not event.template:  # about the run, not of a step
            self.console.print(Text(event.text, style="yellow"))

    def _table(self) -> Table:
        now = time.time()
        table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
        for title, options in COLUMNS.items():
            table.add_column(title, **options)
        room = max(3, self.console.height - 3)
        ordered = sorted(self.lines.values(), key=_importance)
        for line in ordered[:room]:
            table.add_row(line.name, _stage(line), f"{line.percent} %", line.elapsed(now), Text(line.text))
        if len(ordered) > room:
            table.add_row(f"and {len(ordered) - room} more", "", "", "", "")
        return table


COLUMNS: dict[str, dict[str, Any]] = {
    "HOST": {"no_wrap": True},
    "STAGE": {"no_wrap": True},
    "%": {"no_wrap": True, "justify": "right"},
    "TIME": {"no_wrap": True, "justify": "right"},
    "EVIDENCE": {"ratio": 1},
}


def _importance(line: HostLine) -> tuple[int, str]:
    under_way = line.started_s is not None and line.ended_s is None
    return (0 if line.outcome == "failed" else 1 if under_way else 2, line.name)


def _stage(line: HostLine) -> Text:
    if line.outcome == "failed":
        return Text(f"failed: {line.stage}", style="red")
    if line.outcome == "verified":
        return Text("verified", style="green")
    return Text(line.stage, style="" if line.started_s else "dim")


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
