"""`hera secrets`: Kubernetes Secrets for host tables, from a prompt or files, never from the command line."""

import base64
import getpass
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.errors import NotFound, Refused
from workflows.cli.options import Cluster, takes_cluster
from workflows.deploy.apply import APPLY, MANAGER
from workflows.deploy.kinds import KINDS
from workflows.deploy.manifest import PART_OF, PART_OF_LABEL

app = typer.Typer(help="Secrets that host tables refer to as {secret: NAME, key: KEY}.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="of the Secret")]


@takes_cluster
def set_secret(
    name: Name,
    keys: Annotated[list[str], typer.Argument(metavar="KEY[=FILE]...", help="asked for, or read from the file")],
    cluster: Cluster,
) -> None:
    """Set keys of a Secret; other keys stay. Without a terminal each value is a line of standard input."""
    values = {}
    for each in keys:
        key, given, file = each.partition("=")
        values[key] = _from_file(file) if given else _asked(name, key)
    kube = cluster.kube()
    path = KINDS["Secret"].path(kube.namespace, name)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {PART_OF_LABEL: PART_OF}},
    }
    for key, value in values.items():
        body = json.dumps({**secret, "data": {key: base64.b64encode(value.encode()).decode()}})
        # each key has a field manager of its own: setting one does not take away another
        query = {"fieldManager": f"{MANAGER}-{key}"[:128], "force": "true"}
        kube.call("PATCH", path, body=body, query=query, content_type=APPLY)
        print(f"{name}/{key} is set", file=sys.stderr)


@takes_cluster
def delete(name: Name, cluster: Cluster) -> None:
    """Delete a Secret."""
    kube = cluster.kube()
    kube.call("DELETE", KINDS["Secret"].path(kube.namespace, name))
    print(f"{name} is deleted", file=sys.stderr)


def _from_file(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise NotFound(
            f"cannot be read: {why}", where=file, hint="KEY=FILE names a file with only the secret"
        ) from error


def _asked(name: str, key: str) -> str:
    value = getpass.getpass(f"{name}/{key}: ") if sys.stdin.isatty() else sys.stdin.readline().removesuffix("\n")
    if not value:
        raise Refused(f"no value was given for {name}/{key}", where="secrets set", hint="type it, or give KEY=FILE")
    return value


app.command("set")(set_secret)
app.command("delete")(delete)
