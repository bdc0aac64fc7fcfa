"""What pods, and people who look for holes, may expect of the runner image."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from steps.domain.errors import NotFound
from steps.runtime import EXIT_BUG
from tests.contract.pod import SCRIPT, Ended, Unpacked, unpack, why_not
from tests.lab.pip_settings import listed_settings
from tests.lab.runner_image import SOURCE, RunnerImage, runner_image
from tests.unit.domain import images
from tests.unit.domain.kickstarts import host
from workflows.catalog import CATALOG, template
from workflows.defaults import IMAGE

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not())]

PACKAGES = "opt/herasphere/lib/python3.*/site-packages"
GIVEN = {  # to every step that declares it
    "run": "install-hosts-ab1cd",
    "host": host().model_dump_json(),
    "table": "hosts: []",
    "status": "Failed",
    "uid": "1",
    "digest": "0" * 64,
    "workflow": "install-hosts-ab1cd-esx01",
    "before": "{}",
    "kind": "image",
    "vm": "vm-1",
    "address": "192.0.2.1",
    "iso": "[fast] linux.iso",
    "sha256": "0" * 64,
    "size_bytes": "1",
}
OF_PACKAGE = {
    "build": {"plan": images.build_plan().model_dump_json(), "settings": images.IMAGE},
    "export": {"plan": images.appliance_plan().model_dump_json(), "settings": images.APPLIANCE},
}


@cache
def step_templates() -> Mapping[str, dict[str, Any]]:
    """Every template of every workflow that runs something, by the entrypoint that its manifest names."""
    made: dict[str, dict[str, Any]] = {}
    for name in CATALOG:
        for each in template(name)["spec"]["templates"]:
            assert not {"container", "containerSet", "resource", "http"} & set(each), "not looked at here"
            if "script" in each:
                made[each["script"]["args"][-1]] = each
    return made


@pytest.fixture(scope="module")
def image() -> RunnerImage:
    return runner_image()


@pytest.fixture(scope="module")
def pod(image: RunnerImage, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return unpack(image.archive, tmp_path_factory.mktemp("runner"))


def run_step(pod: Unpacked, entrypoint: str, given: list[dict[str, str]]) -> Ended:
    script = step_templates()[entrypoint]["script"]
    env = {each["name"]: each["value"] for each in script["env"]}
    return pod.run([*script["command"], *script["args"], SCRIPT], env=env, script=json.dumps(given))


def faults(ended: Ended) -> list[dict[str, Any]]:
    lines = [line for line in ended.stderr.splitlines() if line.startswith("{")]
    return [event for event in map(json.loads, lines) if event["kind"] == "fault"]


@pytest.mark.parametrize("entrypoint", sorted(step_templates()))
def test_a_step_without_its_input_is_a_defect_that_names_what_is_missing(pod: Unpacked, entrypoint: str) -> None:
    ended = run_step(pod, entrypoint, [])
    declared = [parameter["name"] for parameter in step_templates()[entrypoint]["inputs"]["parameters"]]
    assert ended.exit_code == EXIT_BUG, ended.stderr
    assert ended.message in [f"unexpected KeyError: {name!r}" for name in declared]
    assert [fault["text"] for fault in faults(ended)] == [ended.message]


@pytest.mark.parametrize("entrypoint", sorted(step_templates()))
def test_a_step_runs_as_far_as_the_cluster_that_is_not_there(pod: Unpacked, entrypoint: str) -> None:
    declared = step_templates()[entrypoint]["inputs"]["parameters"]
    values = GIVEN | OF_PACKAGE.get(entrypoint.split(".")[1], {})
    given = [{"name": each["name"], "value": each.get("default", values.get(each["name"]))} for each in declared]
    assert None not in [each["value"] for each in given], "a new parameter: give it a value above"
    ended = run_step(pod, entrypoint, given)
    assert ended.exit_code == NotFound.exit_code, ended.stderr
    (fault,) = faults(ended)
    assert ended.message == f"{fault['where']}: {fault['text']} (hint: {fault['hint']})"


def test_whatever_our_code_imports_anywhere_is_in_the_image(pod: Unpacked) -> None:
    wanted = sorted(set(_imports()))
    assert "from kubernetes.client import CustomObjectsApi" in wanted  # inside a function
    ended = pod.run(["python", "-c", _IMPORT_ALL, *wanted])
    assert (ended.exit_code, ended.stderr) == (0, "")


def _imports() -> Iterator[str]:
    for path in [*(SOURCE / "steps").rglob("*.py"), *(SOURCE / "workflows").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (f"import {alias.name}" for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"from {node.module} import {alias.name}" for alias in node.names)


_IMPORT_ALL = """
import sys
for statement in sys.argv[1:]:
    exec(statement)
"""


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["hera", "doctor"], f"herasphere: {version('herasphere')}"),
        (["hera", "media", "serve", "--help"], "--address"),
        (["hera", "--help"], "Commands"),
        (["python", "-m", "workflows", "render", "install-host"], "kind: WorkflowTemplate"),
    ],
)
def test_the_command_is_ours_and_works(pod: Unpacked, command: list[str], says: str) -> None:
    ended = pod.run(command)
    assert ended.exit_code == 0, ended.stderr
    assert says in ended.stdout


def test_the_media_service_starts_and_ends_when_told(pod: Unpacked) -> None:
    ended = pod.run(["python", "-c", _SERVE])
    assert ended.exit_code == 0, ended.stderr
    assert json.loads(ended.stdout)["control_url"].startswith("http://127.0.0.1:")


_SERVE = """
import subprocess, sys
command = ["hera", "media", "serve", "--address", "127.0.0.1", "--folder", "/tmp/media"]
service = subprocess.Popen(command, stdout=subprocess.PIPE)
print(service.stdout.readline().decode(), end="")
service.terminate()
sys.exit(service.wait())
"""


def test_nothing_is_compiled_at_a_start(pod: Unpacked) -> None:
    modules = sorted({entrypoint.split(":")[0] for entrypoint in step_templates()})
    ended = pod.run(["python", "-v", "-c", f"import {', '.join(modules)}, hera.workflows.runner"])
    assert ended.exit_code == 0
    read = re.findall(r"^# code object from ('?)/(.*?)'?$", ended.stderr, re.MULTILINE)
    assert len(read) > 500
    assert [path for quote, path in read if not path.endswith(".pyc")] == []


def test_it_says_what_it_is_and_runs_unprivileged(image: RunnerImage, pod: Unpacked) -> None:
    assert image.name == IMAGE
    assert pod.config["User"] == "10001:10001"
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in pod.config["Labels"].items()}
    assert labels["version"] == version("herasphere")
    assert labels["title"] and labels["description"]
    env = dict(each.split("=", 1) for each in pod.config["Env"])
    assert set(env) == {"PATH", "HOME", "LANG", "PYTHONDONTWRITEBYTECODE", "PYTHONSAFEPATH"}
    assert env["PATH"].startswith("/opt/herasphere/bin:")
    ended = pod.run(
        ["sh", "-c", "id -u; id -g; command -v python; command -v hera; find / -xdev -writable -not -type l"]
    )
    found = ["10001", "10001", "/opt/herasphere/bin/python", "/opt/herasphere/bin/hera", "/tmp"]
    assert ended.stdout.split() == found


def test_it_holds_no_tool_to_change_it(pod: Unpacked) -> None:
    assert [path for path in pod.root.rglob("*") if path.lstat().st_mode & 0o6000 and not path.is_dir()] == []
    ended = pod.run(["sh", "-c", "command -v pip pip3 gcc cc make curl wget git; python -m pip; python -m ensurepip"])
    assert ended.stdout == ""
    assert ended.stderr.count("No module named") == 2
    assert not [*pod.root.glob(f"{PACKAGES}/setuptools*"), *pod.root.glob(f"{PACKAGES}/pip*")]


def test_above_the_base_there_is_our_folder_and_bytecode(pod: Unpacked) -> None:
    files = [file for layer in pod.layers[1:] for file in layer if file.size]
    stripped = [file.name for file in files if re.fullmatch(r"usr/s?bin/\w+", file.name)]
    ours = [file.name for file in files if file.name.startswith("opt/herasphere/") or file.name.endswith(".pyc")]
    assert len(stripped) + len(ours) == len(files)


def test_nothing_of_the_machine_that_built_it_stays_in_it(pod: Unpacked) -> None:
    settings = listed_settings()
    hosts = [
        urlsplit(settings[name]).hostname for name in ("index-url", "extra-index-url", "proxy") if name in settings
    ]
    needles = [needle.encode() for needle in [str(SOURCE), *filter(None, hosts)]]
    added = [pod.root / file.name for layer in pod.layers[1:] for file in layer if file.size]
    assert [path for path in added if any(needle in path.read_bytes() for needle in needles)] == []
    assert not [*pod.root.rglob("pip.conf"), *pod.root.glob("run/secrets/*"), *pod.root.glob("root/.*/*")]


def test_our_code_is_alone_in_the_last_layer(pod: Unpacked) -> None:
    tops = {Path(file.name).relative_to("opt/herasphere").parts for file in pod.layers[-1] if file.size}
    packages = {parts[3].split("-")[0] for parts in tops if parts[0] == "lib"}
    scripts = {parts[1] for parts in tops if parts[0] == "bin"}
    assert (packages, scripts) == ({"steps", "workflows", "herasphere"}, {"hera", "herasphere"})
    below = {file.name for layer in pod.layers[:-1] for file in layer if file.isfile()}
    assert below.isdisjoint(file.name for file in pod.layers[-1])  # some storage does not see that a file was replaced
