"""The report as one HTML file that needs nothing else: no script, no font, no picture, no network."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from steps.domain.outcome import HostOutcome, Stage, failure_of
from steps.domain.report import Report

STAGES = ("check-identity", "prepare-config", "mount-iso", "set-boot", "install", "verify", "eject-iso")
FOLD_ABOVE = 100  # a group of more hosts than this that ended well is folded away
CAUSES_ABOVE = 5  # from more failed hosts than this, equal causes are counted first
MAX_TICKS = 8
NOTHING = "\N{EN DASH}"
TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
SAID_OF_PHASES = {
    "Succeeded": ("done", "✓"),
    "Failed": ("failed", "✗"),
    "Error": ("error", "✗"),
    "Stopped": ("stopped", "■"),
    "Running": ("running", "…"),
    "Pending": ("waiting", "…"),
}


@dataclass(frozen=True)
class Bar:
    """One stage on the time line; left and width in per cent of it."""

    stage: Stage
    left: str
    width: str
    kind: str


@dataclass(frozen=True)
class Group:
    """Hosts that came out the same way, under one heading."""

    key: str
    title: str
    mark: str
    hosts: tuple[HostOutcome, ...]
    is_open: bool


@dataclass(frozen=True)
class Scale:
    """The run's time, which all bars share."""

    start: datetime
    length_s: float

    @classmethod
    def of(cls, report: Report) -> "Scale":
        parts: list[HostOutcome | Stage] = [*report.hosts, *(stage for host in report.hosts for stage in host.stages)]
        moments = [at for part in parts for at in (part.started, part.finished) if at]
        if not moments:
            return cls(datetime.min, 1.0)
        return cls(min(moments), max(1.0, (max(moments) - min(moments)).total_seconds()))

    def bars(self, host: HostOutcome) -> list[Bar]:
        return [self._bar(stage, stage.started) for stage in host.stages if stage.started]

    def _bar(self, stage: Stage, started: datetime) -> Bar:
        left_s = (started - self.start).total_seconds()
        length_s = (stage.finished - started).total_seconds() if stage.finished else self.length_s - left_s
        left, width = 100 * left_s / self.length_s, 100 * max(0.0, length_s) / self.length_s
        kind = f"s{STAGES.index(stage.name) + 1 if stage.name in STAGES else 0}"
        if stage.phase != "Succeeded":
            kind += " bad" if stage.phase in ("Failed", "Error") else " cut"
        return Bar(stage, f"{left:.5g}", f"{width:.4g}", kind)

    def clock(self, at: datetime | None) -> str:
        """The time of day; with its date in a run that takes more than one."""
        end = self.start + timedelta(seconds=self.length_s)
        return _moment(at)[11 if at and self.start.date() == end.date() else 0 :]

    @property
    def step_s(self) -> int:
        days = 86400 * (1 + int(self.length_s / 86400 / MAX_TICKS))
        return next((step for step in TICKS_S if self.length_s / step <= MAX_TICKS), days)

    @property
    def ticks(self) -> list[tuple[str, str]]:
        """Place in per cent, and label; none so near the end that its label would stick out."""
        seconds = range(0, int(self.length_s * 0.97) + 1, self.step_s)
        return [(f"{100 * at / self.length_s:.5g}", _tick(at, self.step_s)) for at in seconds]

    @property
    def step(self) -> str:
        return f"{100 * self.step_s / self.length_s:.5g}"


def to_html(report: Report) -> str:
    """One self-contained page: what failed and the next move first, then each host on the run's time line."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=duration, between=between, period=period, moment=_moment, brief=_brief, said=_said, mark=_mark
    )
    known = {stage.name for host in report.hosts for stage in host.stages}
    page = environment.get_template("report.html.j2").render(
        report=report,
        verdict=verdict(report),
        is_well=_is_well(report),
        groups=_groups(report),
        not_started=report.hosts_in("not started"),
        causes=_causes(report),
        scale=Scale.of(report),
        legend=[(f"s{number}", name) for number, name in enumerate(STAGES, 1) if name in known],
    )
    return page + "\n"


def verdict(report: Report) -> str:
    """The run in one line: `58 of 60 hosts verified`."""
    total, verified = len(report.hosts), len(report.hosts_in("Succeeded"))
    if not total:
        return f"The run {_said(report.status) if report.status else 'ended'}; it had no hosts"
    if total == 1:
        return f"{report.hosts[0].name} {'verified' if verified else 'not verified'}"
    return f"All {total} hosts verified" if verified == total else f"{verified} of {total} hosts verified"


def duration(seconds: float | None) -> str:
    """Two units at most, the second with two digits, so that a column of them lines up."""
    if seconds is None:
        return NOTHING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"


def between(part: HostOutcome | Stage) -> str:
    """How long it took."""
    return duration((part.finished - part.started).total_seconds() if part.started and part.finished else None)


def period(report: Report) -> str:
    """From when to when; the date is not said twice."""
    start, end = _moment(report.started), _moment(report.finished)
    if report.started and report.finished and start[:10] == end[:10]:
        end = end[11:]
    return f"{start} {NOTHING} {end}" if report.started else end


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else NOTHING


def _brief(message: str, host: str) -> str:
    """A node's message without the exit code, the host and the hint around it."""
    return failure_of("", message, host).what if message else ""


def _tick(seconds: int, step_s: int) -> str:
    if seconds == 0:
        return "0"
    if step_s % 3600 == 0 and seconds < 86400:
        return f"{seconds // 3600} h"
    if seconds < 3600:
        return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02} h" if seconds < 86400 else f"{seconds // 86400} d"


def _said(phase: str) -> str:
    return SAID_OF_PHASES.get(phase, (phase, ""))[0]


def _mark(phase: str) -> str:
    return SAID_OF_PHASES.get(phase, ("", "·"))[1]


def _is_well(report: Report) -> bool:
    return report.status == "Succeeded" and len(report.hosts_in("Succeeded")) == len(report.hosts)


def _groups(report: Report) -> list[Group]:
    """Failures first; a group without hosts is left out."""
    failed, verified = report.hosts_in("Failed", "Error"), report.hosts_in("Succeeded")
    groups = [
        Group("failed", "Failed", "✗", failed, True),
        Group("running", "Not ended", "…", report.hosts_in("Running"), True),
        Group("stopped", "Stopped", "■", report.hosts_in("Stopped"), True),
        Group("verified", "Verified", "✓", verified, len(verified) <= FOLD_ABOVE),
    ]
    return [group for group in groups if group.hosts]


def _causes(report: Report) -> Sequence[tuple[Any, int]]:
    """Failures that more than one host had, and of how many; the most frequent first."""
    failed = report.hosts_in("Failed", "Error")
    counted = Counter((f.stage, f.what, f.hint) for host in failed for f in host.failures)
    return [entry for entry in counted.most_common() if entry[1] > 1] if len(failed) > CAUSES_ABOVE else []
