"""Argo's command line, where there is one."""

import shutil
from pathlib import Path

from tests.lab.build import cache_folder


def argo_cli() -> Path | None:
    """The program of the cluster's build that was used last, else the one on PATH; nothing is built for it."""
    built = sorted(cache_folder().glob("kube-*/bin/argo"), key=lambda path: path.parents[1].stat().st_mtime)
    if built:
        return built[-1]
    installed = shutil.which("argo")
    return Path(installed) if installed else None
