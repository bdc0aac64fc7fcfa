"""Every case of tests/cases/bootcommand, read at the keyboard's other end; and every text comes through as it is."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from steps.domain.bootcommand import Batch, Key, KeyEvent, Pace, batches, duration_s, fill, parse, variables
from steps.domain.bootcommand.duration import go_duration_s
from steps.domain.bootcommand.keyboard import CHARACTERS, SPECIALS
from steps.domain.errors import ConfigError
from tests.unit.domain.keyboards import PRINTS, typed

CASES = sorted((Path(__file__).parents[2] / "cases" / "bootcommand").glob("*.yaml"))
KEYS = {"why", "command", "values", "pace", "typed", "pauses", "batches", "faults"}
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126))
paces = st.builds(Pace, st.integers(1, 20), st.floats(0, 5))


def sent(case: dict[str, Any]) -> tuple[Batch, ...]:
    command = case["command"]
    if "values" in case:
        command = [fill(each, case["values"]) for each in ([command] if isinstance(command, str) else command)]
    return batches(parse(command), Pace(**case.get("pace", {})))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS and ("faults" in case) != ("typed" in case)
    if "faults" in case:
        with pytest.raises(ConfigError) as caught:
            sent(case)
        assert [str(fault) for fault in caught.value.faults] == case["faults"]
        return
    made = sent(case)
    assert typed(event for batch in made for event in batch.events) == case["typed"]
    if "pauses" in case:
        assert [batch.pause_s for batch in made] == pytest.approx(case["pauses"])
    if "batches" in case:
        assert [len(batch.events) for batch in made] == case["batches"]


def test_there_are_enough_cases() -> None:
    faulty = [path for path in CASES if "faults" in yaml.safe_load(path.read_text())]
    assert len(CASES) >= 48 and len(faulty) >= 10


@given(text=printable, pace=paces)
def test_every_text_is_typed_as_it_stands(text: str, pace: Pace) -> None:
    made = batches(parse(text.replace("<", "<<On><<Off>")), pace)
    assert typed(event for batch in made for event in batch.events) == text
    assert all(len(batch.events) <= pace.batch_size for batch in made)
    assert duration_s(made) == pytest.approx(len(made) * pace.interval_s)


TOKENS = st.one_of(
    printable.map(lambda text: text.replace("<", "")),
    st.sampled_from([f"<{name}{to}>" for name in SPECIALS for to in ("", "On", "Off")]),
    st.integers(0, 100).map(lambda number: f"<wait{number}ms>"),
)


@given(tokens=st.lists(TOKENS), pace=paces, cuts=st.lists(st.integers(0, 200)))
def test_neither_pace_nor_the_cutting_into_strings_changes_what_is_typed(
    tokens: list[str], pace: Pace, cuts: list[int]
) -> None:
    text = "".join(tokens)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[start:end] for start, end in pairwise(places)]
    whole = [event for batch in batches(parse(text), Pace(batch_size=1)) for event in batch.events]
    made = batches(parse(parts), pace)
    assert [event for batch in made for event in batch.events] == whole
    waits_s = sum(int(token[5:-3]) for token in tokens if token.startswith("<wait")) / 1000
    assert duration_s(made) >= waits_s - 1e-6


@given(st.text())
def test_any_text_is_parsed_or_refused_with_places_in_it(text: str) -> None:
    try:
        parse(text)
    except ConfigError as error:
        assert all(1 <= fault.column <= len(text) and fault.line == 1 and fault.hint for fault in error.faults)


def test_both_ends_know_the_same_characters() -> None:
    assert {(usage, shifted): character for character, (usage, shifted) in CHARACTERS.items()} == {
        key: character for key, character in PRINTS.items() if key != (0x2C, True)
    }


def test_code_of_an_event() -> None:
    assert KeyEvent(0x28).usb_hid_code == 0x280007


def test_a_command_that_is_too_long_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="100001 characters"):
        parse("x" * 100_001)


def test_what_is_filled_in_is_parsed_like_the_rest_and_not_filled_again() -> None:
    assert fill("{{ .A }}", {"A": "{{ .B }}<enter>"}) == "{{ .B }}<enter>"
    assert parse(fill("{{.A}}", {"A": "<enter>"})) == (Key("enter"),)


def test_place_of_an_undefined_variable_in_a_text_of_several_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        fill("url\n  {{ .HTTPIP }}\n", {}, file="ks.cfg")
    assert str(caught.value).startswith("ks.cfg:2:3: HTTPIP is not defined")


def test_variables() -> None:
    assert variables("{{ .A }}{{.B}}{{- .A -}}{{ user `c` }}") == ("A", "B")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("15s", 15), ("1h2m3s", 3723), ("1.5h", 5400), (".5s", 0.5), ("1.s", 1), ("300ms", 0.3), ("2us", 2e-6)],
)
def test_durations(text: str, seconds: float) -> None:
    assert go_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "+5s", "1 s", "1d", "1m20", ".s", "1e3s", "\u0661s", "5S"])
def test_no_durations(text: str) -> None:
    assert go_duration_s(text) is None


@pytest.mark.parametrize("values", [{"batch_size": 0}, {"interval_s": -1}, {"interval_s": float("inf")}], ids=str)
def test_no_pace(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no pace"):
        Pace(**values)
