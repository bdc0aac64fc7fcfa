"""Lines of a pod's log: which are new after a reconnection, and what they say."""

import json

import pytest

from workflows.backends.argo.podlog import Pod, Position, event_of, seconds_of

POD = Pod("r-esx01-install-1", "r-esx01", "r", "esx01", "install(0)", "install")


def stamped(second: float, text: str = "x") -> str:
    return f"2026-11-23T05:10:{second:012.9f}Z {text}"


def read(*connections: list[str]) -> list[str]:
    """What is new in the lines that each connection brings."""
    position = Position()
    return [line for lines in connections for line in lines if position.is_new(line)]


def test_each_line_of_one_connection_is_new() -> None:
    lines = [stamped(1.1), stamped(1.2), stamped(1.2, "y"), stamped(3)]
    assert read(lines) == lines


def test_a_reconnection_repeats_its_second_only_once() -> None:
    first, second = [stamped(1.1), stamped(2.1), stamped(2.2)], [stamped(2.1), stamped(2.2), stamped(2.3), stamped(4)]
    assert read(first, second) == [*first, stamped(2.3), stamped(4)]


def test_older_lines_are_not_new_however_far_a_server_goes_back() -> None:
    assert read([stamped(5)], [stamped(1), stamped(4.9), stamped(5), stamped(6)]) == [stamped(5), stamped(6)]


def test_a_pod_made_again_under_its_name_goes_on() -> None:
    assert read([stamped(5, "a")], [stamped(9, "a")]) == [stamped(5, "a"), stamped(9, "a")]


def test_lines_without_a_stamp_are_taken_as_they_come() -> None:
    assert read(["no stamp", "no stamp"]) == ["no stamp", "no stamp"]


@pytest.mark.parametrize("stamp", ["", "no", "2026-11-23", "2026-11-23T05:10:01", '{"t":'])
def test_no_stamp(stamp: str) -> None:
    assert seconds_of(stamp) == 0.0


def test_nanoseconds_and_zones() -> None:
    assert seconds_of("2026-11-23T05:10:01.123456789Z") == pytest.approx(1795410601.123457)
    assert seconds_of("2026-11-23T06:10:01.5+01:00") == 1795410601.5


def test_an_event_line_is_the_event_it_was() -> None:
    line = json.dumps({"t": 12.5, "kind": "progress", "percent": 40, "text": "loading"})
    event = event_of(stamped(1, line), POD)
    assert event is not None
    assert (event.at, event.kind, event.percent, event.text) == (12.5, "progress", 40, "loading")
    assert (event.workflow, event.run, event.host, event.node, event.template) == (
        "r-esx01", "r", "esx01", "install(0)", "install",
    )  # fmt: skip
    assert event_of(line, POD) == event, "a kept log has no stamps"


@pytest.mark.parametrize(
    "text", ["Traceback (most recent call last):", "{not json", '{"a": 1}', "[1]", '"x"', "  indented"]
)
def test_any_other_line_is_a_line_of_the_log(text: str) -> None:
    event = event_of(stamped(1, text), POD)
    assert event is not None
    assert (event.kind, event.text, event.at) == ("log", text, seconds_of(stamped(1).split()[0]))


def test_lines_of_executor_and_runner_and_empty_ones_are_left_out() -> None:
    assert event_of(stamped(1, 'time="2026" level=INFO msg="sub-process exited" argo=true error="<nil>"'), POD) is None
    assert event_of(stamped(1, "Error: exit status 2"), POD) is None
    assert event_of(stamped(1, "null"), POD) is None
    assert event_of(stamped(1, ""), POD) is None
