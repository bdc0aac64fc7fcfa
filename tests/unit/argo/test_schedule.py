"""`hera schedule`: what the cluster gets to start by the clock, and what it would take but never start."""

import json
from typing import Any

import pytest

from steps.domain.errors import HerasphereError
from tests.unit.argo.desk import Desk, Said
from workflows.backends.argo.schedules import When, check

NIGHTLY = ("--cron", "30 2 * * 1-5", "--timezone", "Asia/Shanghai")


def create(desk: Desk, *words: str, when: tuple[str, ...] = NIGHTLY) -> Said:
    return desk.hera("schedule", "create", "install-hosts", "-f", desk.table, "--yes", *when, *words)


def values(spec: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in spec["arguments"]["parameters"]}


def test_a_schedule_starts_what_submit_would_start(desk: Desk) -> None:
    said = create(desk, "--name", "nightly", "--only", "esx01")
    assert (said.code, said.out) == (0, "nightly\n"), said.err
    spec = desk.fake.get("cronworkflows", "nightly")["spec"]
    assert (spec["schedules"], spec["timezone"], spec["suspend"]) == (["30 2 * * 1-5"], "Asia/Shanghai", False)
    assert spec["concurrencyPolicy"] == "Forbid"
    run = spec["workflowSpec"]
    assert run["workflowTemplateRef"] == {"name": "install-hosts"}
    given = values(run)
    assert (given["only"], given["desk"]) == ('["esx01"]', "nightly-desk")
    assert len(given["approved"]) == 16, "a run whose plan has changed by then refuses"
    assert run["volumes"][0]["projected"]["sources"][0]["secret"]["name"] == "nightly-desk"
    [owner] = desk.fake.get("secrets", "nightly-desk")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("CronWorkflow", "nightly")


def test_a_refused_schedule_leaves_nothing(desk: Desk) -> None:
    assert create(desk).code == 0
    said = create(desk)
    assert said.code == 2 and "exists already" in said.err
    assert desk.names("secrets") == ["install-hosts-desk"], "that of the first one"
    desk.fake.refuse["POST", "cronworkflows"] = 403
    assert create(desk, "--name", "other").code == 2
    assert desk.names("secrets") == ["install-hosts-desk"]


def test_trigger_starts_it_as_its_time_would(desk: Desk) -> None:
    create(desk, "--suspended")
    said = desk.hera("schedule", "trigger", "install-hosts", "--json")
    assert said.code == 0, said.err
    [run] = desk.names("workflows")
    assert json.loads(said.out)["run"] == run
    made = desk.fake.get("workflows", run)
    assert made["spec"] == desk.fake.get("cronworkflows", "install-hosts")["spec"]["workflowSpec"]
    labels = made["metadata"]["labels"]
    assert (labels["workflows.argoproj.io/cron-workflow"], labels["herasphere/run"]) == ("install-hosts", run)
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronWorkflow", "install-hosts", True)
    assert "install-hosts" in desk.hera("list").out.splitlines()[1].split()


def test_suspend_and_resume(desk: Desk) -> None:
    create(desk)
    assert desk.hera("schedule", "suspend", "install-hosts").code == 0
    assert desk.hera("schedule", "list").out.splitlines()[1].split() == [
        "install-hosts", "install-hosts", "30", "2", "*", "*", "1-5", "Asia/Shanghai", "suspended",
    ]  # fmt: skip
    assert desk.hera("schedule", "resume", "install-hosts").code == 0
    [shown] = json.loads(desk.hera("schedule", "list", "--json").out)
    assert (shown["suspended"], shown["trouble"]) == (False, "")


def test_list_shows_what_argo_found_wrong(desk: Desk) -> None:
    create(desk)
    status = {"conditions": [{"type": "SpecError", "status": "True", "message": "cron schedule is malformed"}]}
    desk.fake.put("cronworkflows", desk.fake.get("cronworkflows", "install-hosts") | {"status": status})
    assert "cron schedule is malformed" in desk.hera("schedule", "list").out


def test_delete_only_when_no_run_is_under_way(desk: Desk) -> None:
    create(desk)
    desk.hera("schedule", "trigger", "install-hosts")
    said = desk.hera("schedule", "delete", "install-hosts")
    assert said.code == 3 and "hera stop" in said.err
    [run] = desk.names("workflows")
    made = desk.fake.get("workflows", run)
    made["metadata"]["labels"]["workflows.argoproj.io/phase"] = "Succeeded"
    assert desk.hera("schedule", "delete", "install-hosts").code == 0
    assert desk.names("cronworkflows") == []


@pytest.mark.parametrize("command", ["suspend", "resume", "trigger", "delete"])
def test_a_schedule_that_is_not_there(desk: Desk, command: str) -> None:
    assert desk.hera("schedule", command, "none").code == 2


@pytest.mark.parametrize("cron", ["* * * * *", "30 2 * * 1-5", "0,30 */2 1-15/3 ? 6", "@daily", "@every 90m"])
def test_times(cron: str) -> None:
    check(When(cron, "Etc/UTC"), "nightly", [])


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("", "0 fields"), ("* * * *", "4 fields"), ("60 * * * *", "'60' is no minute"), ("* 24 * * *", "no hour"),
        ("* * 0 * *", "no day of month"), ("* * * 13 *", "no month"), ("* * * * 7", "no day of week"),
        ("5-1 * * * *", "'5-1'"), ("*/0 * * * *", "'*/0'"), ("a * * * *", "'a'"), ("1,,2 * * * *", "''"),
        ("@noon", "1 fields"), ("-1 * * * *", "'-1'"),
    ],
)  # fmt: skip
def test_no_times(cron: str, told: str) -> None:
    with pytest.raises(HerasphereError, match="--cron") as refused:
        check(When(cron, "Etc/UTC"), "nightly", [])
    assert told in str(refused.value)


@pytest.mark.parametrize("zone", ["Asia/Shangai", "", "../etc/passwd", "+08:00"])
def test_no_time_zones(zone: str) -> None:
    with pytest.raises(HerasphereError, match="no time zone"):
        check(When("@daily", zone), "nightly", [])


@pytest.mark.parametrize(("name", "hosts"), [("Nightly", []), ("a.b", []), ("x" * 53, []), ("nightly", ["e" * 45])])
def test_no_names(name: str, hosts: list[str]) -> None:
    with pytest.raises(HerasphereError, match="no name for a schedule"):
        check(When("@daily", "Etc/UTC"), name, hosts)


def test_what_is_wrong_is_found_before_the_question_and_the_cluster(desk: Desk) -> None:
    said = create(desk, when=("--cron", "99 * * * *", "--timezone", "Asia/Shanghai"))
    assert said.code == 2 and "'99' is no minute" in said.err
    assert desk.fake.asked == []
