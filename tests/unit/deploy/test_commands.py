"""`hera deploy`, `hera secrets` and `hera config` as a person at the desk uses them."""

import base64
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.argo.cluster import kubeconfig
from tests.unit.deploy.api import Api, served
from tests.unit.media.serving import service
from workflows.cli import deploy, main
from workflows.deploy.kinds import KINDS
from workflows.deploy.objects import objects
from workflows.deploy.settings import Settings

DEPLOYMENT = KINDS["Deployment"].path("herasphere", "herasphere-media")
PODS = "/api/v1/namespaces/herasphere/pods"


@dataclass
class Said:
    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Desk:
    folder: Path
    api: Api
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def hera(self, *words: str | Path, stdin: str = "", terminal: bool = False) -> Said:
        """The command in this process."""
        options = ("--kubeconfig", self.folder / "kubeconfig")
        self.patch.setattr(sys, "argv", ["hera", *map(str, (*words, *options))])
        self.patch.setattr(sys, "stdin", Terminal(stdin) if terminal else io.StringIO(stdin))
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self.capture.readouterr()
        assert "Traceback" not in said.err
        return Said(int(ended.value.code or 0), said.out, said.err)

    def run_media_at(self, port: int) -> None:
        """Have the Deployment become ready as soon as it is there."""
        labels = {"app.kubernetes.io/name": "herasphere-media"}
        self.api.objects[f"{PODS}/p"] = {
            "metadata": {"name": "p", "labels": labels},
            "status": {"hostIP": "127.0.0.1"},
        }
        status = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}
        answer = self.api.answer

        def answering(method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
            code, told = answer(method, path, query, body)
            if path == DEPLOYMENT and code == 200:
                told = told | {"status": status, "metadata": told["metadata"] | {"generation": 1}}
            return code, told

        self.patch.setattr(self.api, "answer", answering)

    def secret(self, name: str) -> dict[str, str]:
        data = self.api.objects[KINDS["Secret"].path("herasphere", name)]["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("KUBECONFIG", "HERASPHERE_NAMESPACE", "HERASPHERE_MEDIA_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(deploy, "pinned", lambda _, settings: (f"{settings.image}@sha256:{'ab' * 32}", "as said"))
    monkeypatch.setattr(deploy, "REACHED_WITHIN_S", 1.0)  # no node of this cluster has to learn an address first
    api = Api()
    with served(api):
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(api.url)))
        yield Desk(tmp_path, api, capsys, monkeypatch)


def test_from_nothing_and_again(desk: Desk) -> None:
    (desk.folder / "media").mkdir()
    with service(desk.folder / "media") as at:
        port = int(at.public_url.rpartition(":")[2])
        desk.run_media_at(port)
        first = desk.hera("deploy", "--media-port", str(port))
        again = desk.hera("deploy")
    assert (first.code, again.code) == (0, 0)
    done = [line.split()[0] for line in first.out.splitlines()]
    assert set(done) == {"created"} and len(done) == len(objects(Settings())) + 1
    assert {line.split()[0] for line in again.out.splitlines()} == {"unchanged"}
    for said in (first, again):
        assert f"BMCs and installers reach the media service at {at.public_url}" in said.err
        assert "this desk reaches it there" in said.err


def test_the_token_is_never_printed(desk: Desk) -> None:
    desk.run_media_at(1)
    said = desk.hera("deploy", "--media-port", "1")
    token = desk.api.objects[KINDS["Secret"].path("herasphere", "herasphere-media")]["stringData"]["token"]
    assert token not in said.out + said.err
    assert said.code == 0
    assert "this desk does not reach it there: Connection refused" in said.err


def test_a_media_service_that_does_not_come_up(desk: Desk) -> None:
    status = {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImageNeverPull", "message": "none here"}}}]}
    labels = {"app.kubernetes.io/name": "herasphere-media"}
    desk.api.objects[f"{PODS}/p"] = {"metadata": {"name": "p", "labels": labels}, "status": status}
    said = desk.hera("deploy")
    assert said.code == 1
    assert "it does not come up: ErrImageNeverPull: none here (hint: give the nodes that image" in said.err


def test_what_is_missing_is_told_before_anything_is_touched(desk: Desk) -> None:
    del desk.api.fixed["/apis/argoproj.io/v1alpha1"]
    said = desk.hera("deploy")
    assert said.code == 2 and "install Argo Workflows first" in said.err
    assert desk.api.objects == {}


def test_who_may_not_deploy_is_told_before_anything_is_touched(desk: Desk) -> None:
    desk.api.denied = {("create", "namespaces")}
    said = desk.hera("deploy")
    assert said.code == 2 and "may not create namespaces" in said.err and "administrator" in said.err
    assert desk.api.objects == {}


def test_no_cluster_is_one_clear_line(desk: Desk) -> None:
    (desk.folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig("http://127.0.0.1:1")))
    said = desk.hera("deploy")
    assert said.code == 2 and said.err.count("\n") == 1
    assert "Connection refused" in said.err and "hint" in said.err and "Max retries" not in said.err


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    desk.api.put("/api/v1/namespaces/herasphere")
    said = desk.hera("deploy", "--dry-run")
    assert said.code == 0 and "nothing was changed" in said.err
    assert list(desk.api.objects) == ["/api/v1/namespaces/herasphere"]


def test_rendered_without_a_cluster(desk: Desk) -> None:
    said = desk.hera("deploy", "--render", "-n", "site-b", "--media-port", "9090")
    documents = list(yaml.safe_load_all(said.out))
    assert documents == objects(Settings(namespace="site-b", media_port=9090))
    assert desk.api.asked == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--render", "--expose", "loadbalancer"], "--media-address"),
        (["--prune-data", "Secret/x"], "--prune"),
        (["--media-port", "0"], "--media-port 0 is no port"),
    ],
)
def test_what_does_not_go_together(desk: Desk, words: list[str], told: str) -> None:
    said = desk.hera("deploy", *words)
    assert said.code == 2 and told in said.err
    assert desk.api.asked == []


def left_schedule(desk: Desk) -> str:
    old = json.loads(json.dumps(objects(Settings())[-1]))
    path = KINDS["CronWorkflow"].path("herasphere", "old")
    desk.api.objects[path] = old | {"metadata": old["metadata"] | {"name": "old"}}
    return path


def test_what_an_earlier_version_left_is_named_and_removed_when_asked(desk: Desk) -> None:
    desk.run_media_at(1)
    path = left_schedule(desk)
    said = desk.hera("deploy")
    assert "of an earlier version: CronWorkflow/old; --prune removes them" in said.err
    unasked = desk.hera("deploy", "--prune")
    assert unasked.code == 2 and "--yes" in unasked.err and path in desk.api.objects
    removed = desk.hera("deploy", "--prune", "--yes")
    assert removed.code == 0 and "removed    CronWorkflow/old" in removed.out and path not in desk.api.objects


@pytest.mark.parametrize(("typed", "stays"), [("yes\n", False), ("no\n", True), ("", True)])
def test_a_person_is_asked_before_something_is_removed(desk: Desk, typed: str, stays: bool) -> None:
    desk.run_media_at(1)
    path = left_schedule(desk)
    assert desk.hera("deploy", "--prune", stdin=typed, terminal=True).code == 0
    assert (path in desk.api.objects) == stays


def test_a_run_under_way_is_not_reached_into_unless_that_is_wanted(desk: Desk) -> None:
    desk.run_media_at(1)
    desk.hera("deploy")
    desk.api.put("/apis/argoproj.io/v1alpha1/namespaces/herasphere/workflows/install-hosts-abcde")
    refused = desk.hera("deploy", "--media-port", "1")
    assert refused.code == 3 and "install-hosts-abcde" in refused.err
    assert desk.hera("deploy").code == 0, "nothing would change"
    assert desk.hera("deploy", "--media-port", "1", "--while-running").code == 0


def test_a_check_changes_nothing_and_fails_for_what_is_missing(desk: Desk) -> None:
    desk.api.put("/api/v1/namespaces/herasphere")
    said = desk.hera("deploy", "--check")
    assert said.code == 1
    assert "fault    template sweep: is not there" in said.out
    assert list(desk.api.objects) == ["/api/v1/namespaces/herasphere"]


def test_secrets_from_files_standard_input_and_in_turn(desk: Desk) -> None:
    (desk.folder / "pw").write_text("from a file\n")
    assert desk.hera("secrets", "set", "bmc", f"one={desk.folder / 'pw'}", "two", stdin="a line\n").code == 0
    assert desk.hera("secrets", "set", "bmc", "three=-", stdin="all of it\nwith lines\n").code == 0
    assert desk.secret("bmc") == {"one": "from a file", "two": "a line", "three": "all of it\nwith lines"}
    desk.hera("secrets", "set", "bmc", "two", stdin="another\n")
    assert desk.secret("bmc")["two"] == "another" and desk.secret("bmc")["one"] == "from a file"


def test_a_terminal_is_asked_without_echo(desk: Desk) -> None:
    asked: list[str] = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    desk.patch.setattr("getpass.getpass", typed)
    said = desk.hera("secrets", "set", "bmc", "password", terminal=True)
    assert (desk.secret("bmc"), asked) == ({"password": "typed"}, ["bmc/password: "])
    assert "typed" not in said.out + said.err


def test_a_secret_on_the_command_line_is_not_taken_and_not_repeated(desk: Desk) -> None:
    said = desk.hera("secrets", "set", "bmc", "password=Hunter2!")
    assert said.code == 2 and "password=FILE" in said.err
    assert "Hunter2" not in said.out + said.err
    assert desk.api.asked == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set", "Not_A_Name", "key"], "no name"),
        (["set", "bmc", "a/b"], "no key"),
        (["set", "bmc", "key"], "no value"),
        (["set", "herasphere-media", "token"], "choose another name"),
        (["delete", "install-hosts-abcde-desk"], "choose another name"),
    ],
)
def test_what_no_secret_can_be(desk: Desk, words: list[str], told: str) -> None:
    said = desk.hera("secrets", *words)
    assert said.code in (2, 3) and told in said.err
    assert desk.api.asked == []


def test_secrets_are_listed_by_their_keys(desk: Desk) -> None:
    for name in ("bmc", "herasphere-media"):
        managed = [{"fieldsV1": {"f:data": {".": {}, "f:password": {}}}}, {"fieldsV1": {"f:metadata": {}}}]
        metadata: dict[str, Any] = {"name": name, "labels": {}, "managedFields": managed}
        desk.api.objects[KINDS["Secret"].path("herasphere", name)] = {"metadata": metadata}
    assert json.loads(desk.hera("secrets", "list", "--json").out) == [{"name": "bmc", "keys": ["password"]}]
    assert "password" in desk.hera("secrets", "list").out
    desk.api.refuse["GET", KINDS["Secret"].path("herasphere")] = (403, "forbidden")
    assert "ask an administrator" in desk.hera("secrets", "list").err


def test_a_secret_or_some_of_it_is_deleted(desk: Desk) -> None:
    desk.hera("secrets", "set", "bmc", "one", "two", stdin="1\n2\n")
    assert desk.hera("secrets", "delete", "bmc", "one").code == 0
    assert desk.secret("bmc") == {"two": "2"}
    assert desk.hera("secrets", "delete", "bmc").code == 0
    assert desk.api.objects == {}
    assert desk.hera("secrets", "delete", "bmc").code == 2


def test_files_are_pushed_listed_and_replaced(desk: Desk) -> None:
    for name in ("hosts.yaml", "extra.cfg"):
        (desk.folder / name).write_text(f"{name} ü\n", encoding="utf-8")
    files: list[str | Path] = ["-f", desk.folder / "hosts.yaml", "-f", desk.folder / "extra.cfg"]
    assert desk.hera("config", "push", "rack-7", *files).code == 0
    pushed = desk.api.objects[KINDS["ConfigMap"].path("herasphere", "rack-7")]
    assert pushed["data"]["hosts.yaml"] == "hosts.yaml ü\n"
    assert pushed["metadata"]["labels"]["workflows.argoproj.io/configmap-type"] == "Parameter"
    assert desk.hera("config", "push", "rack-7", *files[:2]).code == 0
    listed = json.loads(desk.hera("config", "list", "--json").out)
    assert listed == [{"name": "rack-7", "files": {"hosts.yaml": 14}}]
    assert "rack-7" in desk.hera("config", "list").out


def test_a_configmap_of_somebody_else_is_left_alone(desk: Desk) -> None:
    desk.api.put(KINDS["ConfigMap"].path("herasphere", "kube-root-ca.crt"), data={})
    (desk.folder / "x").write_text("x")
    said = desk.hera("config", "push", "kube-root-ca.crt", "-f", desk.folder / "x")
    assert said.code == 3 and "choose another name" in said.err


def test_all_files_that_cannot_be_pushed_are_told(desk: Desk) -> None:
    (desk.folder / "binary").write_bytes(b"\xff\xfe")
    (desk.folder / "big").write_text("x" * 1_100_000)
    said = desk.hera("config", "push", "a", "-f", desk.folder / "binary", "-f", desk.folder / "none")
    assert said.code == 2 and "binary" in said.err and "none" in said.err
    assert "do not fit" in desk.hera("config", "push", "a", "-f", desk.folder / "big").err
    assert "no name" in desk.hera("config", "push", "A", "-f", desk.folder / "big").err
    assert desk.api.asked == []
