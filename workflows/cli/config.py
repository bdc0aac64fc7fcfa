"""`hera config`: files in a named ConfigMap, for workflows that nobody at a desk starts."""

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.errors import ConfigError, Fault
from workflows.cli.options import AsJson, Kubernetes, takes_kubernetes
from workflows.cli.tables import columns
from workflows.deploy import configs
from workflows.deploy.server import Server

app = typer.Typer(help="Files in a ConfigMap, for workflows that the clock or Argo's UI starts.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Option("--file", "-f", metavar="FILE", help="repeatable; its name becomes its key")]


@app.command()
@takes_kubernetes
def push(
    name: Annotated[str, typer.Argument(metavar="NAME", help="of the ConfigMap")], file: Files, cluster: Kubernetes
) -> None:
    """Put files into a ConfigMap. Afterwards it holds these and no others."""
    texts = _texts(file)
    configs.push(Server(cluster.kube()), name, texts)
    print(f"{name} holds {', '.join(sorted(texts))}", file=sys.stderr)


@app.command("list")
@takes_kubernetes
def list_configs(cluster: Kubernetes, json: AsJson = False) -> None:
    """List what was pushed."""
    found = [
        {
            "name": each["metadata"]["name"],
            "files": {key: len(text.encode()) for key, text in (each.get("data") or {}).items()},
        }
        for each in configs.pushed(Server(cluster.kube()))
    ]
    if json:
        print(json_format.dumps(found, indent=2))
        return
    rows = [(each["name"], file, f"{size} B") for each in found for file, size in each["files"].items()]
    print(columns([("NAME", "FILE", "SIZE"), *rows]))


def _texts(files: list[Path]) -> dict[str, str]:
    """What the files hold, by their names; ConfigError with all that cannot be taken."""
    texts: dict[str, str] = {}
    faults = []
    for path in files:
        try:
            if path.name in texts:
                faults.append(Fault(str(path), 0, 0, f"there is another {path.name}", "rename one of them"))
            texts[path.name] = path.read_text(encoding="utf-8")
        except OSError as error:
            faults.append(Fault(str(path), 0, 0, f"cannot be read: {error.strerror}", "correct the path"))
        except UnicodeDecodeError:
            faults.append(
                Fault(str(path), 0, 0, "is no UTF-8 text", "big and binary files belong to the media service")
            )
    if faults:
        raise ConfigError(faults)
    return texts
