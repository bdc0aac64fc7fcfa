"""`hera submit`: what reaches the cluster, what is refused before anything does, and that nothing is left behind."""

import base64
import json
from typing import Any

import pytest

from tests.unit.argo.cluster import NAMESPACE
from tests.unit.argo.desk import BMC_PASSWORD, ROOT_PASSWORD, Desk, Said
from workflows.defaults import VERSION

PLACE = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows"


def submit(desk: Desk, *words: str) -> Said:
    return desk.hera("submit", "install-hosts", "-f", desk.table, *words)


def values(workflow: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in workflow["spec"]["arguments"]["parameters"]}


def test_a_run_is_a_reference_to_the_template_with_the_table_in_it(desk: Desk) -> None:
    said = submit(desk, "--yes", "--only", "esx02", "--only", "esx01", "--limit", "3")
    assert said.code == 0, said.err
    [name] = desk.names("workflows")
    assert said.out == f"{name}\n" and f"hera watch {name}" in said.err
    made = desk.fake.get("workflows", name)
    assert made["spec"]["workflowTemplateRef"] == {"name": "install-hosts"}
    assert made["metadata"]["labels"]["herasphere/run"] == name
    given = values(made)
    assert given["table"] == desk.table.read_text()
    assert (given["only"], given["limit"], given["reinstall"], given["approve"]) == (
        '["esx01", "esx02"]', "3", "false", "false",
    )  # fmt: skip
    assert len(given["approved"]) == 16, "the digest of the plan that was shown"
    assert "esx02" in said.err and "esx03" not in said.err


def test_desk_secrets_go_into_a_secret_of_the_run_and_nowhere_else(desk: Desk) -> None:
    said = submit(desk, "--yes")
    [name] = desk.names("workflows")
    secret = desk.fake.get("secrets", f"{name}-desk")
    texts = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert sorted(texts.values()) == sorted([BMC_PASSWORD, ROOT_PASSWORD])
    assert "env.ROOT_PASSWORD" in texts
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Workflow", name, f"uid-of-{name}")
    made = desk.fake.get("workflows", name)
    assert values(made)["desk"] == f"{name}-desk"
    sources = made["spec"]["volumes"][0]["projected"]["sources"]
    assert {each["secret"]["name"] for each in sources} == {f"{name}-desk", "herasphere-media"}
    shown = json.dumps(made) + said.out + said.err + str([each[:3] for each in desk.fake.asked])
    assert BMC_PASSWORD not in shown and ROOT_PASSWORD not in shown


def test_secrets_of_the_cluster_are_neither_read_nor_copied(desk: Desk) -> None:
    bmc = {"username": "admin", "password": {"secret": "bmcs", "key": "rack1"}, "verify_tls": "false"}
    desk.write_table(bmc=bmc, root_password={"secret": "esxi", "key": "root"})
    assert submit(desk, "--yes").code == 0
    assert desk.names("secrets") == []
    [name] = desk.names("workflows")
    sources = desk.fake.get("workflows", name)["spec"]["volumes"][0]["projected"]["sources"]
    assert {each["secret"]["name"] for each in sources} == {"bmcs", "esxi", "herasphere-media"}
    assert not [each for each in desk.fake.asked if "/secrets" in each[1]]


def test_a_refused_run_leaves_no_secret(desk: Desk) -> None:
    desk.fake.refuse["POST", "workflows"] = 403
    said = submit(desk, "--yes")
    assert said.code == 2 and "not allowed" in said.err
    assert desk.names("secrets") == []


def test_a_run_whose_answer_was_lost_is_found_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    put = desk.fake.put

    def put_and_fail(plural: str, manifest: dict[str, Any], kind: str = "") -> dict[str, Any]:
        made = put(plural, manifest, kind)
        if plural == "workflows":
            raise ConnectionResetError  # the server's thread ends without an answer
        return made

    monkeypatch.setattr(desk.fake, "put", put_and_fail)
    monkeypatch.setattr("socketserver.BaseServer.handle_error", lambda *_: None)
    said = submit(desk, "--yes")
    assert said.code == 0, said.err
    assert said.out.strip() in desk.names("workflows")


def test_dry_run_has_the_server_check_it_and_starts_nothing(desk: Desk) -> None:
    said = submit(desk, "--dry-run")
    assert said.code == 0, said.err
    assert said.out == "" and "nothing was started" in said.err
    assert desk.names("workflows") == desk.names("secrets") == []
    [(_, _, query, _)] = [each for each in desk.fake.asked if each[:2] == ("POST", PLACE)]
    assert query == {"dryRun": "All", "fieldValidation": "Strict"}


def test_parameters_of_the_template_can_be_given(desk: Desk) -> None:
    assert submit(desk, "--yes", "-p", "media=http://10.0.0.9:8081").code == 0
    [name] = desk.names("workflows")
    assert values(desk.fake.get("workflows", name))["media"] == "http://10.0.0.9:8081"


def test_json_is_the_runs_name_as_data(desk: Desk) -> None:
    said = submit(desk, "--yes", "--json")
    assert json.loads(said.out) == {"run": desk.names("workflows")[0], "namespace": NAMESPACE}


def test_a_workflow_without_a_table(desk: Desk) -> None:
    parameters = [{"name": "days", "value": "30"}, {"name": "mode", "value": "a", "enum": ["a", "b"]}]
    metadata = {"name": "tidy", "labels": {"app.kubernetes.io/version": VERSION}}
    desk.fake.put("workflowtemplates", {"metadata": metadata, "spec": {"arguments": {"parameters": parameters}}})
    assert desk.hera("submit", "tidy", "-p", "days=7").code == 0
    [name] = desk.names("workflows")
    assert values(desk.fake.get("workflows", name)) == {"days": "7"}
    for words in (["-p", "dais=7"], ["-p", "mode=c"], ["-f", str(desk.table)]):
        said = desk.hera("submit", "tidy", *words)
        assert said.code == 2, words
    assert len(desk.names("workflows")) == 1


def test_a_table_too_large_for_a_step_is_refused_at_the_desk(desk: Desk) -> None:
    desk.write_table(count=1200)
    said = submit(desk, "--yes")
    assert said.code == 2 and "split it" in said.err and "KiB" in said.err
    assert desk.names("workflows") == desk.names("secrets") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-p", "medai=x"], "did you mean media?"),
        (["-p", "limit=3"], "--limit"),
        (["-p", "table=x"], "-f FILE"),
        (["-p", "nonsense"], "is not NAME=VALUE"),
        (["--only", "esx09"], "there is no host 'esx09'"),
    ],
    ids=str,
)
def test_wrong_words_are_2_and_touch_nothing(desk: Desk, words: list[str], told: str) -> None:
    said = submit(desk, "--yes", *words)
    assert said.code == 2
    assert told in said.out + said.err
    assert desk.names("workflows") == desk.names("secrets") == []


def test_a_table_is_needed(desk: Desk) -> None:
    said = desk.hera("submit", "install-hosts", "--yes")
    assert said.code == 2 and "needs a host table" in said.err


def test_without_a_terminal_and_without_yes_nothing_is_asked_or_started(desk: Desk) -> None:
    said = submit(desk)
    assert said.code == 2 and "--yes" in said.err
    assert desk.names("workflows") == []


def test_protected_hosts_are_refused(desk: Desk) -> None:
    desk.write_table(protected="true")
    said = submit(desk, "--yes")
    assert said.code == 3 and "protects esx01" in said.err
    assert desk.names("workflows") == []


def test_a_workflow_that_is_not_deployed(desk: Desk) -> None:
    said = desk.hera("submit", "install-hots", "-f", desk.table)
    assert said.code == 2 and "hera deploy" in said.err


@pytest.mark.parametrize(("deployed", "code"), [("0.0.1", 3), ("99.0.0", 3), (f"{VERSION}.dev1", 0), ("", 3)])
def test_a_cluster_of_another_minor_version_is_refused(desk: Desk, deployed: str, code: int) -> None:
    template = desk.fake.get("workflowtemplates", "install-hosts")
    template["metadata"]["labels"]["app.kubernetes.io/version"] = deployed
    said = submit(desk, "--yes")
    assert said.code == code
    assert ("hera deploy" in said.err) == (code == 3)


def test_an_iso_that_the_cluster_lacks_is_a_fault_of_the_table_with_the_way_out(desk: Desk) -> None:
    (desk.folder / "esxi.iso").rename(desk.folder / "other.iso")
    desk.write_table(iso="other.iso")
    said = submit(desk, "--yes")
    assert said.code == 2
    assert "the cluster's media service has no other.iso" in said.err
    assert f"hera media add {desk.folder / 'other.iso'} --cluster" in said.err


def test_an_iso_of_the_same_name_and_other_content_is_refused(desk: Desk) -> None:
    with (desk.folder / "esxi.iso").open("ab") as file:
        file.write(b"\0" * 2048)
    said = submit(desk, "--yes")
    assert said.code == 2 and "holds another esxi.iso" in said.err


def test_an_iso_that_only_the_cluster_has_is_fine(desk: Desk) -> None:
    (desk.folder / "esxi.iso").unlink()
    assert submit(desk, "--yes").code == 0


def test_a_cluster_without_a_media_service_is_no_fault_of_the_table(desk: Desk) -> None:
    desk.fake.media_url = ""
    said = submit(desk, "--yes")
    assert said.code == 2 and "reach the media service: no answer (503 no endpoints available" in said.err
    assert "hosts.yaml:" not in said.err


def test_no_kubeconfig(desk: Desk) -> None:
    said = submit(desk, "--yes", "--kubeconfig", str(desk.folder / "none"))
    assert said.code == 2 and "no cluster is known" in said.err and "--kubeconfig" in said.err


def test_an_api_server_that_is_not_there(desk: Desk) -> None:
    path = desk.folder / "kubeconfig"
    path.write_text(path.read_text().replace(desk.fake.url, "http://127.0.0.1:1"))
    said = submit(desk, "--yes")
    assert said.code == 2 and "Kubernetes API, look up workflow template install-hosts" in said.err
