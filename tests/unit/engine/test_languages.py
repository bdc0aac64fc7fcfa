"""`when`, retry expressions, `depends`, tags and durations mean what Argo means by them, and nothing else is let in."""

import pytest

from workflows.backends.local import expressions, templating
from workflows.backends.local.durations import BadDuration, in_words, seconds_of
from workflows.backends.local.expressions import ExpressionError


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("true", True),
        ("false", False),
        ("'' != ''", False),
        ("'3' == '3' && '' == 'x'", False),
        ("3 > 5", False),
        ("3 == 3.0", True),
        ("-1 < 0", True),
        ("abc == abd", False),
        ("abc == 'abc'", True),
        ("true == true", True),
        ("'true' == true", False),  # a text is no truth value, as in govaluate
        ("'3' == 3", False),
        ("!(1 == 1) || 'a' < 'b'", True),
        ("false && false || true", True),
        ("true || false && false", True),
        ("\"it's\" == 'it\\'s'", True),
        ("'10.0.0.1' == \"10.0.0.1\"", True),
    ],
)
def test_when(text: str, truth: bool) -> None:
    assert expressions.when_is_true(text) is truth


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" == true", r"position 2: a value is expected, not =="),
        ("a =~ b", r"position 3: = is not understood"),
        ("esx-01 == esx-01", r"position 1: put quotes around esx-01"),
        ("10.0.0.1 == 10.0.0.1", r"position 1: put quotes around 10.0.0.1"),
        ("(a == b", r"position 8: a closing parenthesis is missing"),
        ("a == b c", r"position 8: c is not understood"),
        ("1 + 1 == 2", r"position 3: \+ is not understood"),
        ("asInt(3) == 3", r"position 6: \( is not understood"),
        ("3", "3.0 is neither true nor false"),
        ("'a' < 3", "have no order"),
        ("true < false", "have no order"),
        ("a == b == c", r"position 8: == is not understood"),
        ("__import__('os')", "put quotes around __import__"),
        ("", "a value is expected, not the end"),
    ],
)
def test_what_when_refuses(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem):
        expressions.when_is_true(text)


OURS = "asInt(lastRetry.exitCode) == 75 || lastRetry.status == 'Error'"


@pytest.mark.parametrize(
    ("text", "code", "status", "wanted"),
    [
        (OURS, "75", "Failed", True),
        (OURS, "11", "Failed", False),
        (OURS, "-1", "Error", True),
        ("lastRetry.exitCode == 75", "75", "Failed", False),  # it is a text
        ("asFloat(lastRetry.duration) < 60 && lastRetry.message != ''", "1", "Failed", True),
        ('!(lastRetry.status == "Failed")', "1", "Failed", False),
    ],
)
def test_retry(text: str, code: str, status: str, wanted: bool) -> None:
    last = {"exitCode": code, "status": status, "duration": "1.5", "message": "main: Error"}
    assert expressions.retry_is_wanted(text, last) is wanted


@pytest.mark.parametrize("text", ["lastRetry.node == 'x'", "retries == 3", "lastRetry.status in ['Error']", "foo()"])
def test_what_a_retry_expression_refuses(text: str) -> None:
    with pytest.raises(ExpressionError, match="at position"):
        expressions.parse_retry(text)


def test_depends() -> None:
    phases = {"a-1": "Succeeded", "b": "Failed", "c": "Skipped", "d": "Error"}
    assert expressions.tasks_named("(a-1 && b.Failed) || c") == {"a-1", "b", "c"}
    for text, met in {
        "a-1 && c": True,  # skipped is as good as done
        "b": False,
        "b.Failed || b.Errored": True,
        "d.Errored && !d.Failed": True,
        "a-1.Succeeded && (b || c.Succeeded)": False,
    }.items():
        assert expressions.dependencies_are_met(text, phases) is met, text
    with pytest.raises(ExpressionError):
        expressions.parse_depends("a.AnySucceeded")


def test_tags_are_replaced_once_and_everywhere() -> None:
    scope = {"a": "{{b}}", "b": "2", "item": '{"x":1}'}
    value = {"text": "{{a}}-{{ b }}", "list": ["{{item}}", 3], "none": None}
    assert templating.replace(value, scope) == {"text": "{{b}}-2", "list": ['{"x":1}', 3], "none": None}
    with pytest.raises(templating.UnknownTag, match=r"failed to resolve \{\{c\}\}"):
        templating.replace("{{c}}", scope)


def test_items() -> None:
    item = {"name": "h1", "n": 1, "deep": {"b": [True], "a": "ä"}}
    assert templating.item_scope(item)["item.deep"] == '{"b":[true],"a":"ä"}'
    assert templating.item_scope({"b": 1, "a": "<"})["item"] == '{"a":"\\u003c","b":1}'
    assert templating.item_scope({"a": 'a<b>"c"'})["item.a"] == 'a<b>\\"c\\"'
    assert templating.item_scope(item)["item.n"] == "1"
    assert templating.item_scope("x") == {"item": "x"}
    assert templating.item_name("fan", 3, {"serial": "S(1)", "name": "h1"}) == "fan(3:name:h1,serial:S1)"
    assert templating.aggregate(["a", "1"]) == '["a","1"]'
    assert templating.aggregate(['{"b":1}', "[2]"]) == '[{"b":1},[2]]'
    assert templating.aggregate(["a<b>&c"]) == '["a\\u003cb\\u003e\\u0026c"]'
    for text in ("", "{}", "not json"):
        with pytest.raises(templating.NotAList):
            templating.parse_list(text)


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("1h30m", 5400), ("500ms", 0.5), ("90", 90), ("1.5m", 90)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5 s", "-5s", "5x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadDuration):
        seconds_of(text)


def test_durations_in_words() -> None:
    assert [in_words(s) for s in (5, 90, 3600, 0.2)] == ["5 seconds", "1 minute 30 seconds", "1 hour", "0 seconds"]
