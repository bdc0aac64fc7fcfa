"""A script in a guest: the files it needs there, and the command line that runs it. No secret is on a command line."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

FOLDER = "/tmp"
ROOT = "root"


@dataclass(frozen=True)
class Order:
    """What is done in the guest.

    files:         by their path; to be put there before, readable by this user alone, and removed after
    command:       for the user's shell
    asks_password: whether sudo reads the user's password as the first line of the command's input
    """

    files: dict[str, bytes]
    command: str
    asks_password: bool


def order_of(username: str, script: bytes, *, sudo: bool, environment: Mapping[str, str]) -> Order:
    """The order to run this script. sudo: as root; a user who is root needs none

    A script is run by the program that its first line names, or by /bin/sh.
    """
    name = sha256(script + repr(sorted(environment.items())).encode()).hexdigest()[:12]
    path, variables = f"{FOLDER}/herasphere-{name}", f"{FOLDER}/herasphere-{name}.env"
    files = {path: script}
    run = f"chmod 700 {path} && {path}" if script.startswith(b"#!") else f"/bin/sh {path}"
    if environment:
        lines = [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]
        files[variables] = "\n".join([*lines, ""]).encode()
        run = f". {variables} && {run}"
    becomes_root = sudo and username != ROOT
    if becomes_root:
        alone = f"{{ {run}; }} </dev/null"  # where sudo asks nothing, the password is not for the script to read
        run = f"sudo -S -p '' /bin/sh -c {shlex.quote(alone)}"
    return Order(files, run, becomes_root)
