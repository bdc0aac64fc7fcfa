"""`hera retry` and `resubmit`: which hosts, with which parameters, with whose secrets; and when not."""

import json
from typing import Any

import pytest

from tests.unit.argo.desk import Desk
from tests.unit.argo.manifests import node, workflow


def values(made: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in made["spec"]["arguments"]["parameters"]}


@pytest.fixture
def run(desk: Desk) -> str:
    """The name of a run of three hosts, which has just been started."""
    name = desk.hera("submit", "install-hosts", "-f", desk.table, "--yes", "-p", "media=").out.strip()
    assert name
    return name


def ends(desk: Desk, run: str, phase: str, **hosts: str) -> None:
    """Have the run and its hosts' workflows end in these phases."""
    planned = node("plan-hosts", "Succeeded", code=0, outputs={"hosts": json.dumps(["esx01", "esx02", "esx03"])})
    root = desk.fake.get("workflows", run)
    desk.fake.put("workflows", root | {"status": {"phase": phase, "nodes": {planned["id"]: planned}}})
    for host, host_phase in hosts.items():
        child = workflow(host_phase, name=f"{run}-{host}")
        child["metadata"]["labels"] = {"herasphere/run": run, "herasphere/host": host}
        desk.fake.put("workflows", child)


def the_new(desk: Desk, run: str) -> dict[str, Any]:
    [name] = [each for each in desk.names("workflows") if not each.startswith(run)]
    return desk.fake.get("workflows", name)


def test_retry_takes_the_failed_hosts_and_those_that_were_not_started(desk: Desk, run: str) -> None:
    ends(desk, run, "Failed", esx01="Succeeded", esx02="Failed")
    said = desk.hera("retry", run, "--yes")
    assert said.code == 0, said.err
    new, old = the_new(desk, run), desk.fake.get("workflows", run)
    assert said.out.strip() == new["metadata"]["name"]
    assert json.loads(values(new)["only"]) == ["esx02", "esx03"]
    kept = {key: value for key, value in values(old).items() if key not in ("only", "approved")}
    assert {key: values(new)[key] for key in kept} == kept
    assert values(new)["approved"] not in ("", values(old)["approved"]), "the digest of the plan that was shown"
    assert new["spec"]["workflowTemplateRef"] == {"name": "install-hosts"}
    assert new["spec"]["volumes"] == old["spec"]["volumes"]
    labels = new["metadata"]["labels"]
    assert (labels["herasphere/run"], labels["herasphere/retry-of"]) == (new["metadata"]["name"], run)
    assert "esx02" in said.err and "esx01" not in said.err


def test_the_new_run_shares_the_old_ones_secrets_unread(desk: Desk, run: str) -> None:
    ends(desk, run, "Failed", esx01="Failed")
    asked = len(desk.fake.asked)
    assert desk.hera("retry", run, "--yes").code == 0
    [secret] = desk.names("secrets")
    owners = desk.fake.get("secrets", secret)["metadata"]["ownerReferences"]
    assert [owner["name"] for owner in owners] == [run, the_new(desk, run)["metadata"]["name"]]
    methods = [method for method, path, _, _ in desk.fake.asked[asked:] if "/secrets" in path]
    assert methods == ["PATCH", "PATCH"]


def test_the_plan_of_a_retry_is_that_of_a_submit(desk: Desk, run: str) -> None:
    """The same hosts of the same table make the same digest, though nobody at the desk knows the secrets now."""
    ends(desk, run, "Failed", esx01="Succeeded", esx02="Succeeded")
    assert desk.hera("retry", run, "--yes").code == 0
    retried = values(the_new(desk, run))["approved"]
    assert desk.hera("submit", "install-hosts", "-f", desk.table, "--yes", "--only", "esx03").code == 0
    runs = [desk.fake.get("workflows", name) for name in desk.names("workflows") if name.count("-") == 2]
    assert [values(made)["approved"] for made in runs].count(retried) == 2


def test_reinstall_can_be_asked_for(desk: Desk, run: str) -> None:
    ends(desk, run, "Failed", esx01="Failed")
    assert desk.hera("retry", run, "--yes", "--reinstall").code == 0
    assert values(the_new(desk, run))["reinstall"] == "true"


def test_resubmit_takes_all_hosts(desk: Desk, run: str) -> None:
    ends(desk, run, "Succeeded", esx01="Succeeded", esx02="Succeeded", esx03="Succeeded")
    assert desk.hera("resubmit", run, "--yes").code == 0
    assert values(the_new(desk, run))["only"] == "[]"


def test_a_run_whose_plan_failed_is_retried_whole(desk: Desk, run: str) -> None:
    desk.fake.put("workflows", desk.fake.get("workflows", run) | {"status": {"phase": "Failed"}})
    assert desk.hera("retry", run, "--yes").code == 0
    assert values(the_new(desk, run))["only"] == "[]"


def test_a_host_that_was_stopped_while_it_waited_for_its_lock_does_not_hold_up(desk: Desk, run: str) -> None:
    ends(desk, run, "Failed", esx01="Succeeded", esx02="Succeeded", esx03="Pending")
    child = desk.fake.get("workflows", f"{run}-esx03")
    assert desk.hera("retry", run, "--yes").code == 3
    desk.fake.put("workflows", child | {"spec": {"shutdown": "Stop"}})
    assert desk.hera("retry", run, "--yes").code == 0
    assert json.loads(values(the_new(desk, run))["only"]) == ["esx03"]


@pytest.mark.parametrize("command", ["retry", "resubmit"])
def test_not_while_it_is_under_way(desk: Desk, run: str, command: str) -> None:
    ends(desk, run, "Running", esx01="Succeeded")
    said = desk.hera(command, run, "--yes")
    assert said.code == 3 and "still under way" in said.err
    ends(desk, run, "Failed", esx02="Running")
    said = desk.hera(command, run, "--yes")
    assert said.code == 3 and "esx02" in said.err


def test_nothing_to_retry(desk: Desk, run: str) -> None:
    ends(desk, run, "Succeeded", esx01="Succeeded", esx02="Succeeded", esx03="Succeeded")
    said = desk.hera("retry", run, "--yes")
    assert said.code == 3 and "hera resubmit" in said.err


def test_without_a_terminal_and_without_yes_nothing_is_started(desk: Desk, run: str) -> None:
    ends(desk, run, "Failed", esx01="Failed")
    assert desk.hera("retry", run).code == 2
    assert len(desk.names("workflows")) == 2


def test_secrets_that_are_gone(desk: Desk, run: str) -> None:
    ends(desk, run, "Failed", esx01="Failed")
    desk.fake.delete("secrets", f"{run}-desk")
    said = desk.hera("retry", run, "--yes")
    assert said.code == 3 and "hera submit" in said.err
    assert len(desk.names("workflows")) == 2


def test_an_iso_that_is_gone_from_the_cluster_is_a_fault(desk: Desk, run: str) -> None:
    ends(desk, run, "Failed", esx01="Failed")
    old = desk.fake.get("workflows", run)
    for each in old["spec"]["arguments"]["parameters"]:
        each["value"] = each["value"].replace("esxi.iso", "gone.iso")
    said = desk.hera("retry", run, "--yes")
    assert said.code == 2 and "gone.iso" in said.err
