"""The report tells every host's fate, whatever the workflows look like, to people and to programs."""

import json
import os
import re
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.domain.junit import to_junit
from steps.domain.outcome import failure_of, outcome_of
from steps.domain.report import Report, report_of, to_json
from steps.domain.report_html import NOTHING, duration, period, to_html, verdict
from tests.unit.domain.outcomes import PROOF, RUN, at, failed_at_mount, retried_twice, stalled, stopped, verified

GOLDEN = Path(__file__).parents[2] / "golden" / "report"
MIXED = [retried_twice("esx01"), failed_at_mount("esx02"), stalled("esx03"), stopped("esx04"), verified("esx05", 60)]
NAMES = [f"esx{n:02}" for n in range(1, 7)]


def of(workflows: list[dict[str, Any]], expected: list[str] | None = None, **given: str) -> Report:
    return report_of(
        workflows,
        run=RUN,
        version="1.2.3",
        status=given.get("status", "Failed"),
        failures=given.get("failures", "null"),
        expected=NAMES if expected is None else expected,
    )


def test_every_host_of_the_table_is_told_in_its_order() -> None:
    report = of(list(reversed(MIXED)))
    assert [(host.name, host.phase) for host in report.hosts] == [
        ("esx01", "Succeeded"),
        ("esx02", "Failed"),
        ("esx03", "Failed"),
        ("esx04", "Stopped"),
        ("esx05", "Succeeded"),
        ("esx06", "not started"),
    ]
    assert verdict(report) == "2 of 6 hosts verified"
    assert report.started is not None and report.started.isoformat() == "2026-03-01T12:00:00+00:00"
    assert report.finished == max(host.finished for host in report.hosts if host.finished)


def test_a_verified_host_has_its_stages_in_order_and_its_proof() -> None:
    host = outcome_of(verified("esx01"))
    assert [stage.name for stage in host.stages] == [
        "check-identity", "prepare-config", "mount-iso", "set-boot", "install", "verify", "eject-iso",
    ]  # fmt: skip
    assert host.proof == PROOF
    assert (host.address, host.serial, host.failures) == ("10.0.1.11", "7XK2P13", ())
    assert all(stage.attempts == 1 and stage.phase == "Succeeded" for stage in host.stages)


def test_a_failure_is_taken_from_the_pod_not_from_argos_words_about_it() -> None:
    (failure,) = outcome_of(failed_at_mount("esx02")).failures
    assert failure.stage == "mount-iso"
    assert failure.where == "esx02, BMC 10.0.0.12"
    assert failure.what == "nothing is inserted after 120 s"
    assert failure.hint == "let the BMC reach http://10.0.0.2:8080 (its media port)"
    assert failure.exit_code == 13


def test_retries_keep_what_the_attempts_before_said() -> None:
    mount = next(stage for stage in outcome_of(retried_twice("esx01")).stages if stage.name == "mount-iso")
    assert mount.attempts == 3 and mount.phase == "Succeeded" and mount.evidence == "inserted"
    assert len(mount.retried) == 2 and "503" in mount.retried[0]


def test_stopped_is_not_failed_but_a_failure_before_the_stop_is() -> None:
    assert outcome_of(stopped("esx04")).failures == ()
    assert [stage.phase for stage in outcome_of(stopped("esx04")).stages][-2:] == ["Stopped", "Succeeded"]
    failed_then_stopped = failed_at_mount("esx02")
    failed_then_stopped["spec"]["shutdown"] = "Stop"
    assert outcome_of(failed_then_stopped).phase == "Failed"


def test_a_clean_up_that_failed_is_told_beside_the_first_failure() -> None:
    workflow = failed_at_mount("esx02")
    for node in workflow["status"]["nodes"].values():
        if node.get("templateName") == "eject-iso":
            node |= {"phase": "Failed", "message": "main: Error (exit code 12): esx02: denied (hint: check the user)"}
    assert [failure.stage for failure in outcome_of(workflow).failures] == ["mount-iso", "eject-iso"]


@pytest.mark.parametrize(
    ("message", "what", "hint"),
    [
        ("main: Error (exit code 4)", "ended with exit code 4 and without a word", "see the log of this step"),
        ("main: OOMKilled (exit code 137)", "OOMKilled", "see the log of this step"),
        ("pod deleted", "pod deleted", "see the log of this step"),
        ("", "ended without a word", "see the log of this step"),
        ("Error (exit code 3): esx01: a: b (hint: (c))", "a: b", "(c)"),
        ("main: Error (exit code 70): unexpected KeyError: 'x'", "unexpected KeyError: 'x'", "this is a defect"),
        ("main: Error (exit code 13): esx01: cut off (hint: some of the hi", "cut off", "some of the hi"),
        ("main: Error (exit code 2): t:1:2: bad (good)\nt:3:4: worse (best)", "t:1:2: bad", "correct the lines named"),
    ],
)
def test_messages_are_taken_apart(message: str, what: str, hint: str) -> None:
    failure = failure_of("install", message, "esx01")
    assert failure.what.startswith(what)
    assert failure.hint.startswith(hint)


@pytest.mark.parametrize("quoted", [False, True], ids=["as JSON", "quoted as Argo does"])
def test_the_runs_own_failure_is_told_once(quoted: bool) -> None:
    said = "main: Error (exit code 2): table:4:7: unknown key bios_mode (did you mean boot_mode?)"
    nodes = [
        {"displayName": "x", "templateName": "install-hosts", "message": "child 'x-1' failed", "finishedAt": at(9)},
        {"displayName": "plan-hosts", "templateName": "plan-hosts", "message": "No more retries left"},
        {"displayName": "plan-hosts(0)", "templateName": "plan-hosts", "message": "pod deleted", "finishedAt": at(3)},
        {"displayName": "plan-hosts(1)", "templateName": "plan-hosts", "message": said, "finishedAt": at(9)},
    ]
    text = json.dumps(nodes)
    report = of([], failures=json.dumps(text) if quoted else text)
    assert [(f.stage, f.hint) for f in report.failures] == [("plan-hosts", "correct the lines named")]
    assert "unknown key bios_mode" in to_html(report)
    assert {host.phase for host in report.hosts} == {"not started"}
    assert ElementTree.fromstring(to_junit(report).encode()).get("errors") == "1"


def test_the_rollouts_summary_does_not_repeat_what_hosts_say() -> None:
    said = f"main: Error (exit code 1): {RUN}: 1 of 6 hosts failed: esx02 (hint: see the report)"
    failures = json.dumps([{"templateName": "rollout", "message": said, "finishedAt": at(9)}])
    assert of(MIXED, failures=failures).failures == ()
    assert [f.stage for f in of([], failures=failures).failures] == ["rollout"]


def test_a_run_that_went_well_has_no_failures_though_steps_were_repeated() -> None:
    failures = json.dumps([{"templateName": "rollout", "message": "pod deleted", "finishedAt": at(9)}])
    report = of([verified("esx01")], ["esx01"], status="Succeeded", failures=failures)
    assert report.failures == () and verdict(report) == "esx01 verified"
    assert 'class="well"' in to_html(report)


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("HERASPHERE_GOLDEN"):
        path.write_text(text)
    assert path.exists() and text == path.read_text(), f"{name} is stale: make golden, and look at it"


@pytest.mark.golden
def test_json_for_programs() -> None:
    compare("report.json", to_json(of(MIXED)))


@pytest.mark.golden
def test_junit_for_ci_servers() -> None:
    compare("junit.xml", to_junit(of(MIXED)))


def test_junit_counts_what_it_holds() -> None:
    root = ElementTree.fromstring(to_junit(of(MIXED)).encode())
    (suite,) = root
    assert suite.get("name") == RUN
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "2", "errors": "1", "skipped": "1"}
    by_name = {case.get("name"): case for case in suite.findall("testcase")}
    failure = by_name["esx02"].find("failure")
    assert failure is not None and "hint: let the BMC reach" in failure.get("message", "")
    assert float(by_name["esx05"].get("time", "")) > 600


def test_junit_is_not_green_when_only_the_run_failed() -> None:
    root = ElementTree.fromstring(to_junit(of([], ["esx01"], failures="")).encode())
    assert (root.get("tests"), root.get("errors"), root.get("skipped")) == ("2", "1", "1")


class Page(HTMLParser):
    """What a browser would fetch, run or show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.shown = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_html_needs_nothing_from_outside() -> None:
    text = to_html(of(MIXED))
    page = Page(text)
    assert page.links == []
    assert not {"script", "link", "img", "iframe", "base", "object"} & set(page.tags)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in text
    assert '<html lang="en">' in text


def test_html_tells_failures_with_hints_before_what_went_well() -> None:
    shown = Page(to_html(of(MIXED))).shown
    assert "2 of 6 hosts verified" in shown
    places = [
        shown.index(part)
        for part in ("nothing is inserted after 120 s", "(its media port)", "stopped before it", PROOF)
    ]
    assert places == sorted(places)
    assert "esx06" in shown and "Not started" in shown
    assert "failed" in shown and "✗" in shown  # said, not only coloured


def test_hostile_words_stay_words() -> None:
    evil = "<script>alert(1)</script>\"]]>&'<!--\x1b[31m\x00\ud800"
    workflow = failed_at_mount(evil)
    workflow["spec"]["arguments"]["parameters"][0]["value"] = json.dumps({"network": {"address": evil}})
    for node in workflow["status"]["nodes"].values():
        node["message"] = evil
        node["templateName"] = evil
    report = of([workflow], [evil + "2"], failures=json.dumps([{"templateName": evil, "message": evil}]))
    page = Page(to_html(report))
    assert "script" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.shown
    ElementTree.fromstring(to_junit(report).encode())
    assert json.loads(to_json(report))["hosts"]


def test_many_equal_failures_are_counted_first() -> None:
    workflows = [failed_at_mount(f"h{n}") for n in range(8)]
    text = to_html(of(workflows, []))
    assert "Causes that several hosts share" in text
    assert "Causes that several hosts share" not in to_html(of(workflows[:3], []))


def test_a_thousand_hosts_make_a_page_one_can_open() -> None:
    workflows = [verified(f"esx{n}", n * 10) for n in range(999)] + [failed_at_mount("esx999")]
    text = to_html(of(workflows, [f"esx{n}" for n in range(1000)]))
    assert len(text) < 3_000_000
    assert '<details class="group failed" open>' in text
    assert '<details class="group verified">' in text
    assert text.index("group failed") < text.index("group verified")


def test_bars_stay_on_the_time_line() -> None:
    text = to_html(of(MIXED))
    bars = re.findall(r'style="left:([\d.e-]+)%;width:([\d.e-]+)%"', text)
    assert len(bars) == sum(len(outcome_of(workflow).stages) for workflow in MIXED)
    assert all(0 <= float(left) <= 100 and float(left) + float(width) <= 100.1 for left, width in bars)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, NOTHING), (0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (725, "12 min 05 s"), (3600, "1 h 00 min"),
        (86399, "23 h 59 min"), (90000, "1 d 01 h"), (-3, "0 s"),
    ],
)  # fmt: skip
def test_durations_line_up(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_a_date_is_said_once() -> None:
    assert period(of([verified("esx01")])) == f"2026-03-01 12:00:00 {NOTHING} 12:11:53"
    assert period(of([verified("esx01", 12 * 3600 - 60)])) == f"2026-03-01 23:59:00 {NOTHING} 2026-03-02 00:10:53"


@pytest.mark.parametrize(
    "workflow",
    [
        {},
        {"metadata": None, "status": None, "spec": None},
        {"metadata": {"name": "x", "labels": None}, "status": {"phase": "Failed"}},
        {"metadata": {"name": "x"}, "status": {"phase": "Running", "startedAt": at(0), "nodes": []}},
        {"metadata": {"name": "x"}, "status": {"phase": "Pending", "message": "Waiting for a lock", "startedAt": None}},
        {
            "metadata": {"name": "x"},
            "status": {"phase": "Error", "startedAt": "0001-01-01T00:00:00Z", "nodes": {"a": 1}},
        },
        {
            "metadata": {"name": "x"},
            "status": {"nodes": {"a": {"type": "Pod", "startedAt": "9999-12-31T23:59:59-12:00"}}},
        },
    ],
)
def test_what_is_missing_is_left_out(workflow: dict[str, Any]) -> None:
    assert_all_formats(of([workflow]))


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([at(0), at(99), "Pod"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_no_odd_value_anywhere_breaks_the_report(data: st.DataObject) -> None:
    workflow = deepcopy(data.draw(st.sampled_from(MIXED)))
    for _ in range(data.draw(st.integers(1, 4))):
        here: Any = workflow
        while isinstance(here, dict | list) and here:
            key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
            if data.draw(st.integers(0, 3)) == 0 or not isinstance(here[key], dict | list):
                here[key] = data.draw(odd)
                break
            here = here[key]
    assert_all_formats(of([workflow], failures=data.draw(st.text(max_size=9) | odd.map(json.dumps))))


def assert_all_formats(report: Report) -> None:
    assert json.loads(to_json(report))["run"] == RUN
    assert report.hosts[-1].name in Page(to_html(report)).shown or not report.hosts[-1].name.strip()
    to_html(report).encode()
    root = ElementTree.fromstring(to_junit(report).encode())
    assert len(root.findall("testsuite/testcase")) >= len(report.hosts)
