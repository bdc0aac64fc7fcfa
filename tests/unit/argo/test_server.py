"""Every command through an Argo server, for people who can reach nothing else."""

import json
import threading
from collections.abc import Iterator

import pytest

from tests.unit.argo.argo_server import TOKEN, argo_server
from tests.unit.argo.desk import Desk
from tests.unit.argo.manifests import CHILD, RUN, node, workflow
from tests.unit.argo.test_runs import line
from workflows.backends.argo import logs, watching
from workflows.backends.argo.changes import pod_of

INSTALLS = node("install", begin=6)
POD = pod_of(INSTALLS, CHILD)


@pytest.fixture
def far(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with an Argo server, and with neither kubeconfig nor secrets of its own."""
    monkeypatch.setattr(watching, "AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr(logs, "AGAIN_AFTER_S", 0.01)
    (desk.folder / "kubeconfig").unlink()
    bmc = {"username": "admin", "password": {"secret": "bmcs", "key": "rack1"}, "verify_tls": "false"}
    desk.write_table(bmc=bmc, root_password={"secret": "esxi", "key": "root"})
    with argo_server(desk.fake) as url:
        monkeypatch.setenv("ARGO_SERVER", url)
        monkeypatch.setenv("ARGO_TOKEN", TOKEN)
        yield desk


def test_submit(far: Desk) -> None:
    said = far.hera("submit", "install-hosts", "-f", far.table, "--yes")
    assert said.code == 0, said.err
    [run] = far.names("workflows")
    assert said.out == f"{run}\n"
    given = {each["name"]: each["value"] for each in far.fake.get("workflows", run)["spec"]["arguments"]["parameters"]}
    assert len(given["approved"]) == 16, "the ISO lies at the desk: the run refuses if the cluster's is another"


def test_an_iso_that_nobody_at_the_desk_knows_is_left_to_the_run(far: Desk) -> None:
    (far.folder / "esxi.iso").unlink()
    said = far.hera("submit", "install-hosts", "-f", far.table, "--yes")
    assert said.code == 0 and "checked by the run's first step" in said.err
    [run] = far.names("workflows")
    given = {each["name"]: each["value"] for each in far.fake.get("workflows", run)["spec"]["arguments"]["parameters"]}
    assert given["approved"] == ""


def test_secrets_of_the_desk_are_refused(far: Desk) -> None:
    far.write_table()
    said = far.hera("submit", "install-hosts", "-f", far.table, "--yes")
    assert said.code == 3 and "{secret: NAME, key: KEY}" in said.err
    assert far.names("workflows") == []


def test_dry_run(far: Desk) -> None:
    assert far.hera("submit", "install-hosts", "-f", far.table, "--dry-run").code == 0
    assert far.names("workflows") == []


def test_watch_and_logs(far: Desk) -> None:
    far.fake.put("workflows", workflow("Running", name=RUN))
    far.fake.put("workflows", workflow("Running", INSTALLS))
    far.fake.write(POD, line(7, percent=20, text="loading"))

    def end() -> None:
        far.fake.cut_off()
        far.fake.write(POD, line(8, percent=90, text="nearly"), end=True)
        far.fake.put("workflows", workflow("Succeeded", node("install", "Succeeded", begin=6, end=9, code=0)))
        far.fake.put("workflows", workflow("Succeeded", name=RUN))

    later = threading.Timer(0.5, end)
    later.start()
    said = far.hera("watch", RUN, "--json")
    later.join()
    assert said.code == 0, said.err
    told = [json.loads(each) for each in said.out.splitlines()]
    assert [each["text"] for each in told if each["kind"] == "progress"] == ["loading", "nearly"]
    assert [each["kind"] for each in told].count("workflow-finished") == 2
    shown = far.hera("logs", RUN)
    assert [each.split(maxsplit=3)[3] for each in shown.out.splitlines()] == ["20 % loading", "90 % nearly"]


def test_list_stop_approve_retry(far: Desk) -> None:
    run = far.hera("submit", "install-hosts", "-f", far.table, "--yes", "--approve").out.strip()
    suspended = node("approve", display="approve", type="Suspend")
    status = {"phase": "Running", "nodes": {suspended["id"]: suspended}}
    far.fake.put("workflows", far.fake.get("workflows", run) | {"status": status})
    assert run in far.hera("list").out
    assert far.hera("approve", run).code == 0
    assert far.fake.get("workflows", run)["status"]["nodes"][suspended["id"]]["phase"] == "Succeeded"
    assert far.hera("stop", run).code == 0
    assert far.fake.get("workflows", run)["spec"]["shutdown"] == "Stop"
    far.fake.put("workflows", far.fake.get("workflows", run) | {"status": {"phase": "Failed"}})
    said = far.hera("retry", run, "--yes")
    assert said.code == 0, said.err


def test_schedules(far: Desk) -> None:
    when = ("--cron", "@daily", "--timezone", "Etc/UTC")
    assert far.hera("schedule", "create", "install-hosts", "-f", far.table, "--yes", *when).code == 0
    for verb, suspended in (("suspend", True), ("resume", False)):
        assert far.hera("schedule", verb, "install-hosts").code == 0
        [shown] = json.loads(far.hera("schedule", "list", "--json").out)
        assert shown["suspended"] == suspended
    assert far.hera("schedule", "delete", "install-hosts").code == 0
    assert far.names("cronworkflows") == []


def test_what_an_argo_server_cannot_do_is_said(far: Desk) -> None:
    for words in (["report", RUN, "-o", str(far.folder / "out")], ["media", "list", "--cluster"]):
        said = far.hera(*words)
        assert said.code == 2 and "leave out --server" in said.err


def test_the_token_is_needed_and_must_be_right(far: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGO_TOKEN", "wrong")
    said = far.hera("list")
    assert said.code == 2 and "not allowed (401 token not valid)" in said.err and "wrong" not in said.err
    monkeypatch.delenv("ARGO_TOKEN")
    said = far.hera("list")
    assert said.code == 2 and "ARGO_TOKEN" in said.err


def test_a_ca_file_that_is_not_there(far: Desk) -> None:
    said = far.hera("list", "--server-ca", "/nowhere/ca.pem")
    assert said.code == 2 and "--server-ca" in said.err
