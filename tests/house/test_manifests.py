"""Every manifest is what Argo accepts, by its own full CRD schemas made strict, and by `argo lint` if it is here."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.lab.kube.fixture import why_not
from tests.lab.kube.lint import lint
from workflows.catalog import CATALOG, template, workflow
from workflows.deploy.objects import objects
from workflows.deploy.settings import Settings

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "tests" / "lab" / "argo"
ARGO = "github.com/argoproj/argo-workflows/v4@v4.0.2"


@cache
def schema_of(kind: str) -> dict[str, Any]:
    """The JSON schema of this kind; a field it does not know is an error."""
    if shutil.which("go") is None:
        pytest.skip("go is needed to fetch Argo's CRD schemas")
    told = subprocess.run(
        ["go", "mod", "download", "-json", ARGO], cwd=PINNED, capture_output=True, text=True, check=True
    ).stdout
    crds = Path(json.loads(told)["Dir"]) / "manifests" / "base" / "crds" / "full"
    crd = yaml.safe_load((crds / f"argoproj.io_{kind.lower()}s.yaml").read_text())
    schema: dict[str, Any] = _strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    return schema


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if made.get("x-kubernetes-int-or-string"):
        made = {"type": ["integer", "string"]}
    if isinstance(made.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in made:
        made.setdefault("additionalProperties", False)
    return made


def faults(document: dict[str, Any]) -> list[str]:
    schema = schema_of(document["kind"])
    document = document | {"metadata": {}}  # the CRD leaves metadata to the API server
    return [f"{e.json_path}: {e.message}" for e in jsonschema.Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_manifest_fits_the_crd(name: str) -> None:
    assert faults(template(name)) == []


def test_the_schema_finds_a_wrong_type_and_an_unknown_field() -> None:
    broken = template("install-host")
    broken["spec"]["templates"][0]["retryStrateggy"] = {}
    broken["spec"]["entrypoint"] = 7
    assert len(faults(broken)) == 2


@pytest.mark.lab
@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("settings", [Settings(), Settings(artifacts=True)], ids=["default", "artifacts"])
def test_argo_lint(tmp_path: Path, settings: Settings) -> None:
    argos = [each for each in objects(settings) if each["apiVersion"].startswith("argoproj.io")]
    assert {each["kind"] for each in argos} == {"WorkflowTemplate", "CronWorkflow"}
    run = workflow("install-hosts", run="r-1", parameters={"table": "hosts: []"})
    run["metadata"]["namespace"] = Settings().namespace
    assert lint(tmp_path, [*argos, run]) == ""


@pytest.mark.lab
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_argo_lint_finds_a_misspelt_argument(tmp_path: Path) -> None:
    broken = template("sweep")
    broken["spec"]["templates"][0]["steps"][0][0]["arguments"]["parameters"][0]["name"] = "rum"
    assert "run" in lint(tmp_path, [broken])
