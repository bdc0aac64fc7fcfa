"""Options that several commands share, so that they read and mean the same everywhere."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.errors import NotFound
from workflows.desk import Desk, Engine

Tables = Annotated[
    list[Path], typer.Option("--file", "-f", metavar="FILE", help="host table (YAML); see docs/host-table.md")
]
TableFile = Annotated[Path, typer.Option("--file", "-f", metavar="FILE", help="host table (YAML)")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="HOST", help="take this host alone; repeatable")]
Reinstall = Annotated[bool, typer.Option("--reinstall", help="install over an ESXi where one is found")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
For = Annotated[Engine, typer.Option("--for", help="where the run will happen: on this machine, or on a cluster")]

Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", metavar="NAME", envvar="HERASPHERE_NAMESPACE", help="where the workflows run"),
]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="as kubectl's; default: $KUBECONFIG")]
Context = Annotated[str, typer.Option("--context", metavar="NAME", help="of the kubeconfig; default: its current one")]
NAMESPACE = "herasphere"


def desk_of(table: Path, engine: Engine = "local") -> Desk:
    """The desk for this table, with this process's environment."""
    return Desk(table, os.environ, engine)


def state_folder() -> Path:
    """Where runs, their logs and the media service's state are kept."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "herasphere"


def made(folder: Path) -> Path:
    """The folder, made if it was not there; a HerasphereError where files cannot be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        hint = "give a folder that can be written; XDG_STATE_HOME names the one for runs"
        raise NotFound(f"no files can be made there: {error.strerror}", where=str(folder), hint=hint) from error
