"""`hera submit` and what follows it, on a real Kubernetes with a real Argo, over servers in this process."""

import json
import threading
from pathlib import Path

import pytest

from steps.domain.wait import wait_until
from tests.e2e.cluster.running import (
    ARGO,
    INSTALLING,
    ask,
    installing,
    kubernetes,
    submit,
    told,
    until_told,
    watch,
    works_on,
)
from tests.e2e.hera import Said
from tests.e2e.test_install_inprocess import assert_left_clean
from tests.lab.inprocess.options import Delays, Faults
from tests.lab.inprocess.site import BMC_PASSWORD, ROOT_PASSWORD, Wanted
from tests.lab.kube.fixture import why_not

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]


def test_two_hosts_are_installed_watched_and_reported(tmp_path: Path) -> None:
    with installing(tmp_path, Wanted(), Wanted(boot_mode="bios")) as made:
        said = ask(tmp_path, "submit", "install-hosts", "-f", made.table, "--yes", "--watch", "--json")
        assert said.code == 0, told(said)
        assert all(server.machine.esxi for server in made.servers)
        assert_left_clean(made)
    finished = [event for event in said.events("workflow-finished") if event["phase"] == "Succeeded"]
    assert [event.get("host") for event in finished][-1:] == [None]
    assert {event.get("host") for event in finished} == {None, "esx01", "esx02"}
    run = finished[-1]["workflow"]
    proofs = [event["text"] for event in said.events("progress") if event["template"] == "verify"]
    assert any("installed" in text for text in proofs)

    assert ask(tmp_path, "report", run, "-o", tmp_path / "report").code == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [host["phase"] for host in report["hosts"]] == ["Succeeded", "Succeeded"]

    shown = ask(tmp_path, "logs", run, "--host", "esx02").out
    steps = list(dict.fromkeys(line.split()[2] for line in shown.splitlines()))
    assert steps == ["check-identity", "prepare-config", "mount-iso", "set-boot", "install", "verify", "eject-iso"]
    kept = (
        shown
        + json.dumps(kubernetes("GET", f"{ARGO}:workflows", labelSelector=f"herasphere/run={run}"))
        + said.out
        + said.err
    )
    assert BMC_PASSWORD not in kept and ROOT_PASSWORD not in kept
    listed = {each["name"]: each for each in json.loads(ask(tmp_path, "list", "--json").out)}
    assert (listed[run]["phase"], listed[run]["hosts"]) == ("Succeeded", {"Succeeded": 2})


def test_a_run_stopped_in_the_middle_leaves_nothing_mounted_and_its_hosts_are_retried(tmp_path: Path) -> None:
    slow = Wanted(faults=Faults(installer_hangs=True))
    with installing(tmp_path, slow, Wanted()) as made:
        run = submit(tmp_path, made)
        until_told(tmp_path, run, INSTALLING, ("workflow-finished", "esx02", ""))
        assert ask(tmp_path, "stop", run).code == 0
        said = watch(tmp_path, run)
        assert said.code == 1 and f"{run}: stopped" in said.err
        assert_left_clean(made)
        made.servers[0].machine.faults = Faults()
        said = ask(tmp_path, "retry", run, "--yes", "--watch", "--json")
        assert said.code == 0, told(said)
        assert {event["host"] for event in said.events("node-started") if event.get("host")} == {"esx01"}
        assert made.servers[0].machine.esxi
        assert_left_clean(made)


def test_one_host_is_stopped_and_the_other_goes_on(tmp_path: Path) -> None:
    with installing(tmp_path, Wanted(faults=Faults(installer_hangs=True)), Wanted()) as made:
        run = submit(tmp_path, made)
        until_told(tmp_path, run, INSTALLING)
        assert ask(tmp_path, "stop", run, "--host", "esx01").code == 0
        said = watch(tmp_path, run)
        assert said.code == 1
        ends = {event.get("host"): event["phase"] for event in said.events("workflow-finished")}
        assert ends == {"esx01": "Failed", "esx02": "Succeeded", None: "Failed"}
        assert_left_clean(made)


def test_a_deleted_pod_is_made_again_and_its_log_goes_on(tmp_path: Path) -> None:
    with installing(tmp_path, Wanted(delays=Delays(block_s=0.2))) as made:
        run = submit(tmp_path, made)
        logs: list[Said] = []
        following = threading.Thread(target=lambda: logs.append(ask(tmp_path, "logs", "-f", run, "--step", "install")))
        following.start()
        until_told(tmp_path, run, INSTALLING)
        pods = kubernetes("GET", "pods", labelSelector=f"workflows.argoproj.io/workflow={run}-esx01")["items"]
        names = [each["metadata"]["name"] for each in pods]
        [pod] = [name for name in names if name.removeprefix(f"{run}-esx01").startswith("-install-")]
        kubernetes("DELETE", f"pods/{pod}", gracePeriodSeconds=0)
        said = watch(tmp_path, run)
        following.join()
        assert said.code == 0, told(said)
        assert_left_clean(made)
        power_ons = [e for e in made.servers[0].bmc.log.entries if "Reset" in e.path and e.method == "POST"]
        assert len(power_ons) <= 2, "off and on, once"
    lines = logs[0].out.splitlines()
    assert logs[0].code == 0 and len(lines) > 3
    assert len(lines) == len(set(lines)), "nothing twice"
    assert {event["node"] for event in said.events("node-started") if event["template"] == "install"} >= {"install(1)"}


def test_a_plan_waits_for_approval(tmp_path: Path) -> None:
    with installing(tmp_path, Wanted()) as made:
        run = submit(tmp_path, made, "--approve")
        wait_until(lambda: ask(tmp_path, "approve", run).code == 0, what="the plan", where=run, hint="-", timeout_s=120)
        said = watch(tmp_path, run)
        assert said.code == 0, told(said)
        assert_left_clean(made)


def test_a_schedule_is_triggered(tmp_path: Path) -> None:
    with installing(tmp_path, Wanted()) as made:
        when = ("--cron", "30 2 * * *", "--timezone", "Asia/Shanghai", "--suspended")
        words = ("schedule", "create", "install-hosts", "-f", made.table, "--yes", "--name", "nightly", *when)
        said = ask(tmp_path, *words)
        assert said.code == 0, said.err
        try:
            said = ask(tmp_path, "schedule", "trigger", "nightly", "--watch", "--json")
            assert said.code == 0, told(said)
            assert_left_clean(made)
        finally:
            assert ask(tmp_path, "schedule", "delete", "nightly").code == 0


def test_a_table_with_another_serial_number_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    with installing(tmp_path, Wanted(row={"serial": "OTHER1"})) as made:
        said = watch(tmp_path, submit(tmp_path, made))
        assert said.code == 3, told(said)
        assert "the table says 'OTHER1'" in told(said)
        assert not made.servers[0].machine.is_on


def test_dry_run_starts_nothing(tmp_path: Path) -> None:
    with installing(tmp_path, Wanted()) as made:
        said = ask(tmp_path, "submit", "install-hosts", "-f", made.table, "--dry-run")
        assert said.code == 0, said.err
        assert not list(works_on(made.servers[0].machine.serial))
