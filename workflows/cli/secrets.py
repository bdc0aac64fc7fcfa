"""`hera secrets`: Kubernetes Secrets for host tables, from a prompt, standard input or files; never from the command
line, which others on the machine can read."""

import getpass
import json as json_format
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from steps.domain.errors import AccessDenied, NotFound, Refused
from workflows.cli.options import AsJson, Kubernetes, takes_kubernetes
from workflows.cli.tables import columns
from workflows.deploy import secretkeys
from workflows.deploy.server import Server

app = typer.Typer(help="Secrets that host tables refer to as {secret: NAME, key: KEY}.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="of the Secret")]
STDIN = "-"


@app.command("set")
@takes_kubernetes
def set_secret(
    name: Name,
    keys: Annotated[
        list[str], typer.Argument(metavar="KEY[=FILE]...", help="asked for, or read from the file; '-': standard input")
    ],
    cluster: Kubernetes,
) -> None:
    """Set keys of a Secret; its other keys stay. Without a terminal what is asked for is a line of standard input."""
    wanted = dict(_key_and_file(each) for each in keys)
    secretkeys.check(name, wanted)
    values = {key: _asked(name, key) if file is None else _read(key, file) for key, file in wanted.items()}
    secretkeys.set_keys(Server(cluster.kube()), name, values)
    for key in values:
        print(f"{name}/{key} is set", file=sys.stderr)


@app.command("list")
@takes_kubernetes
def list_secrets(cluster: Kubernetes, json: AsJson = False) -> None:
    """List Secrets and their keys, never what they hold. It takes the right to list, which can read them as well."""
    try:
        found = secretkeys.named(Server(cluster.kube()))
    except AccessDenied as error:
        error.hint = "who may list Secrets may read them, so herasphere-operator may not; ask an administrator"
        raise
    if json:
        print(json_format.dumps([asdict(each) for each in found], indent=2))
        return
    print(columns([("NAME", "KEYS"), *((each.name, ", ".join(each.keys)) for each in found)]))


@app.command()
@takes_kubernetes
def delete(
    name: Name,
    cluster: Kubernetes,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="only these keys of it")] = None,
) -> None:
    """Delete a Secret, or keys of it."""
    secretkeys.delete(Server(cluster.kube()), name, keys or ())
    for each in [f"{name}/{key}" for key in keys or ()] or [name]:
        print(f"{each} is deleted", file=sys.stderr)


def _key_and_file(text: str) -> tuple[str, str | None]:
    key, given, file = text.partition("=")
    return key, file if given else None


def _read(key: str, file: str) -> str:
    """The file's text without its last line end. A path that is none may be a secret: it is not repeated."""
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        hint = f"{key}=FILE names a file; to be asked for the value, give {key} alone"
        raise NotFound(f"the file for {key} cannot be read: {why}", where="secrets set", hint=hint) from error
    return _not_empty(text.removesuffix("\n").removesuffix("\r"), key)


def _asked(name: str, key: str) -> str:
    if sys.stdin.isatty():
        return _not_empty(getpass.getpass(f"{name}/{key}: "), key)
    return _not_empty(sys.stdin.readline().removesuffix("\n").removesuffix("\r"), key)


def _not_empty(value: str, key: str) -> str:
    if not value:
        raise Refused(f"no value was given for {key}", where="secrets set", hint=f"type it, or give {key}=FILE")
    return value
