"""What a person sees of a run, on a terminal and in a log."""

import io

from rich.console import Console

from workflows.backends.events import Event
from workflows.cli.view import HostLine, PlainView, TerminalView

START = 1_700_000_000.0


def event(kind: str, after_s: float = 0.0, **fields: object) -> Event:
    values = {"workflow": "w-esx01", "host": "esx01", "template": "install", **fields}
    return Event(at=START + after_s, kind=kind, **values)  # type: ignore[arg-type]


INSTALLED = [
    event("node-started", template="check-identity"),
    event("progress", 1, template="check-identity", percent=100, text="Dell R650"),
    event("node-started", 2),
    event("progress", 3, percent=20, text="loading, 100 of 600 MiB"),
    event("progress", 4, percent=21, text="loading, 110 of 600 MiB"),
    event("progress", 5, percent=40, text="loading, 300 of 600 MiB"),
    event("node-started", 60, template="verify"),
    event("progress", 61, template="verify", percent=100, text="ESXi 8.0.3: installed 20 s ago"),
    event("node-started", 62, template="eject-iso"),
    event("progress", 63, template="eject-iso", percent=100, text="ISO ejected"),
    event("workflow-finished", 65, template="", phase="Succeeded"),
]
STALLED = [
    *INSTALLED[:6],
    event("fault", 90, text="stalled at load: 300 of 600 MiB", hint="look at the network"),
    *INSTALLED[8:10],
    event("workflow-finished", 95, template="", phase="Failed", text="child failed"),
]


def line_after(events: list[Event]) -> HostLine:
    line = HostLine("esx01")
    for one in events:
        line.take(one)
    return line


def test_the_proof_stays_shown_after_the_clean_up() -> None:
    line = line_after(INSTALLED)
    assert (line.outcome, line.percent, line.text) == ("verified", 100, "ESXi 8.0.3: installed 20 s ago")
    assert line.elapsed(START + 1e6) == "1:05"


def test_the_fault_stays_shown_after_the_clean_up() -> None:
    line = line_after(STALLED)
    assert (line.outcome, line.stage) == ("failed", "install")
    assert line.text == "stalled at load: 300 of 600 MiB (hint: look at the network)"


def test_a_stage_that_is_tried_again_has_not_failed() -> None:
    passing = event("fault", 6, text="connection refused", hint="is it on?")
    line = line_after([*INSTALLED[:3], passing, event("node-started", 12)])
    assert (line.outcome, line.stage, line.text) == ("", "install", "")
    assert line_after([*INSTALLED[:3], passing, event("node-started", 12, template="eject-iso")]).outcome == "failed"


def test_progress_without_words_keeps_the_last_ones() -> None:
    line = line_after([*INSTALLED[:4], event("progress", 60, percent=35)])
    assert (line.percent, line.text) == (35, "loading, 100 of 600 MiB")


def test_who_joins_later_sees_hosts_as_they_come() -> None:
    lines: list[str] = []
    view = PlainView([], lines.append)
    view.show(event("workflow-waiting", text="Waiting for lock"))
    view.show(event("workflow-stopping", text="Stop"))
    view.show(event("workflow-waiting", host="", template="approve", text="waits for approval"))
    view.show(event("say", host="", template="", text="connection lost"))
    view.show(event("say", host="", template="rollout", text="starting esx01"))
    assert [line.split(maxsplit=1)[1] for line in lines[:2]] == [
        "esx01  waiting                 Waiting for lock",
        "esx01  stopping                Stop",
    ]
    assert lines[2:] == ["approve: waits for approval", "connection lost"]
    terminal = TerminalView([], Console(file=io.StringIO(), force_terminal=True))
    terminal.show(event("node-started"))
    assert terminal.lines["esx01"].stage == "install"


def test_terminal_shows_a_line_per_host_failed_ones_first() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=20, color_system=None)
    with TerminalView(["esx00", "esx01"], console) as view:
        for one in STALLED:
            view.show(one)
        view.show(event("fault", host="", template="plan-hosts", text="the plan changed", hint="again"))
    last = [text for text in out.getvalue().split("\n") if "esx0" in text][-2:]
    assert "esx01  failed: install" in last[0] and "stalled at load" in last[0]
    assert "esx00  waiting" in last[1]
    assert "plan-hosts: the plan changed (hint: again)" in out.getvalue()


def test_terminal_with_more_hosts_than_lines_says_so() -> None:
    out = io.StringIO()
    with TerminalView([f"esx{n:03}" for n in range(100)], Console(file=out, force_terminal=True, width=80, height=10)):
        pass
    assert "and 93 more" in out.getvalue()


def test_log_has_each_stage_and_each_tenth() -> None:
    lines: list[str] = []
    view = PlainView(["esx01"], lines.append)
    for one in INSTALLED:
        view.show(one)
    assert [" ".join(line.split()[1:]) for line in lines] == [
        "esx01 check-identity",
        "esx01 check-identity 100 % Dell R650",
        "esx01 install",
        "esx01 install 20 % loading, 100 of 600 MiB",
        "esx01 install 40 % loading, 300 of 600 MiB",
        "esx01 verify",
        "esx01 verify 100 % ESXi 8.0.3: installed 20 s ago",
        "esx01 eject-iso",
        "esx01 eject-iso 100 % ISO ejected",
        "esx01 verified",
    ]
