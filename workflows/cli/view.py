"""A run as it happens: one line per host on a terminal, plain lines elsewhere, or JSON. One view for every engine."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from workflows.backends.events import Event

PLAIN_EVERY_PERCENT = 10
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
    """What is shown of one host."""

    name: str
    stage: str = "waiting"
    percent: int = 0
    text: str = ""
    started_s: float | None = None
    ended_s: float | None = None
    phase: str = ""

    def take(self, event: Event) -> bool:
        """Fold one event in; True if a reader of plain lines should be told."""
        if event.kind == "node-started" and event.template:
            self.started_s = self.started_s or event.at
            self.stage, self.percent, self.text = event.template, 0, ""
            return True
        if event.kind == "progress":
            told = event.text != self.text and abs((event.percent or 0) - self.percent) >= PLAIN_EVERY_PERCENT
            self.percent, self.text = event.percent or 0, event.text
            return told or event.percent == 100
        if event.kind == "fault":
            self.phase, self.text = "fault", f"{event.text} (hint: {event.hint})"
            return True
        if event.kind == "workflow-finished":
            self.ended_s = event.at
            self.phase = event.phase
            if event.phase == "Succeeded":
                self.stage, self.percent = "verified", 100
            return True
        return False

    def elapsed(self, now_s: float) -> str:
        if self.started_s is None:
            return ""
        seconds = int((self.ended_s or now_s) - self.started_s)
        return f"{seconds // 60}:{seconds % 60:02}"


def view_for(*, as_json: bool, hosts: list[str]) -> "View":
    """The view that fits where the output goes."""
    if as_json:
        return JsonView()
    return TerminalView(hosts) if sys.stderr.isatty() else PlainView(hosts)


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
        self.lines = {name: HostLine(name) for name in hosts}
        self.width = max((len(name) for name in hosts), default=0)
        self.write = write or _to_stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        line = self.lines.get(event.host)
        if line is None:
            if event.kind == "fault":
                self.write(f"{event.template}: {event.text} (hint: {event.hint})")
            return
        if line.take(event):
            clock = time.strftime("%H:%M:%S", time.localtime(event.at))
            what = FINISHED.get(line.phase, line.phase) if event.kind == "workflow-finished" else line.stage
            share = f"{line.percent:3} %" if event.kind == "progress" else "     "
            text = "" if event.kind == "workflow-finished" else line.text
            self.write(f"{clock}  {line.name:{self.width}}  {what:15}  {share}  {text}".rstrip())


class TerminalView(PlainView):
    """One line per host, redrawn in place; hosts under way and failed ones first when there are more than fit."""

    def __enter__(self) -> Self:
        self.faults: list[str] = []
        self.live = Live(get_renderable=self._table, console=Console(stderr=True), refresh_per_second=4)
        self.live.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self.live.__exit__(None, None, None)

    def show(self, event: Event) -> None:
        line = self.lines.get(event.host)
        if line is not None:
            line.take(event)
        elif event.kind == "fault":
            self.live.console.print(Text(f"{event.template}: {event.text} (hint: {event.hint})", style="red"))

    def _table(self) -> Table:
        now = time.time()
        table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
        for title, options in COLUMNS.items():
            table.add_column(title, no_wrap=True, **options)
        room = max(3, self.live.console.height - 3)
        ordered = sorted(self.lines.values(), key=_importance)
        for line in ordered[:room]:
            table.add_row(
                line.name, _stage(line), f"{line.percent} %", line.elapsed(now), Text(line.text, overflow="fold")
            )
        if len(ordered) > room:
            table.add_row(f"and {len(ordered) - room} more", "", "", "", "")
        return table


COLUMNS: dict[str, dict[str, Any]] = {
    "HOST": {},
    "STAGE": {},
    "%": {"justify": "right"},
    "TIME": {"justify": "right"},
    "EVIDENCE": {"ratio": 1, "overflow": "fold"},
}


def _importance(line: HostLine) -> tuple[int, str]:
    under_way = line.started_s is not None and line.ended_s is None
    return (0 if line.phase in ("Failed", "Error", "fault") else 1 if under_way else 2, line.name)


def _stage(line: HostLine) -> Text:
    if line.phase == "Succeeded":
        return Text("verified", style="green")
    if line.phase in ("Failed", "Error", "fault"):
        return Text(f"failed: {line.stage}", style="red")
    return Text(line.stage, style="" if line.started_s else "dim")


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
