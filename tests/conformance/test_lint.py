"""Argo's own linter on every conformance case."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conformance.cases import CASES


@pytest.mark.skipif(shutil.which("argo") is None, reason="argo is not on PATH")
def test_argo_lint(tmp_path: Path) -> None:
    for case in CASES:
        manifests = [case.manifest(), *(template.to_dict() for template in case.templates)]
        (tmp_path / f"{case.name}.yaml").write_text(yaml.safe_dump_all(manifests))
    done = subprocess.run(
        ["argo", "lint", "--offline", "--kubeconfig", "/dev/null", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
