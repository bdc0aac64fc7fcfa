"""Golden files are fresh: every workflow's manifest, and the table's schema for editors."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from steps.domain.table import Table
from workflows.catalog import CATALOG, as_yaml, template

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "config" / "schema" / "hosts.json"

pytestmark = pytest.mark.golden


def compare(path: Path, text: str) -> None:
    """Fail unless the file holds this text; with HERASPHERE_GOLDEN set, write it instead."""
    if os.environ.get("HERASPHERE_GOLDEN"):
        path.write_text(text)
    assert path.exists() and text == path.read_text(), f"{path.relative_to(ROOT)} is stale: make golden, and look at it"


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_manifest(name: str) -> None:
    # The version is in labels and image names: it would change every golden at each release.
    from workflows.defaults import VERSION

    compare(
        ROOT / "tests" / "golden" / "workflows" / f"{name}.yaml", as_yaml(template(name)).replace(VERSION, "VERSION")
    )


def test_schema() -> None:
    compare(SCHEMA, json.dumps(Table.model_json_schema(), indent=2, ensure_ascii=False) + "\n")


def test_every_entrypoint_of_the_goldens_is_a_step() -> None:
    import importlib

    entrypoints = set()
    for path in (ROOT / "tests" / "golden" / "workflows").glob("*.yaml"):
        manifest: dict[str, Any] = yaml.safe_load(path.read_text())
        for each in manifest["spec"]["templates"]:
            if "script" in each:
                arguments = each["script"]["args"]
                entrypoints.add(arguments[arguments.index("-e") + 1])
    assert len(entrypoints) >= 11
    for entrypoint in entrypoints:
        module, function = entrypoint.split(":")
        assert module.startswith("steps.")
        assert callable(getattr(importlib.import_module(module), function))
