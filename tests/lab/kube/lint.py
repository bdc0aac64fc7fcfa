"""Argo's own linter, of the version that the lab builds."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.lab.kube.build import programs


def lint(folder: Path, manifests: Iterable[dict[str, Any]]) -> str:
    """What `argo lint` finds wrong with these manifests, taken together; empty: nothing. The folder is written to."""
    for number, manifest in enumerate(manifests):
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(manifest))
    done = subprocess.run(
        [programs().bin / "argo", "lint", "--offline", "--kubeconfig", "/dev/null", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
