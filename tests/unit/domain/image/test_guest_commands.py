"""Orders for a guest, run by shells that guests have: a script gets its variables as they are, root's or the user's."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from steps.domain.image import guest_commands
from steps.domain.image.guest_commands import Order, order_of
from steps.domain.image.keys.guest import ScriptEntry

SHELLS = {"sh": ["/bin/sh"], "bash": ["bash"], "busybox": ["busybox", "sh"]}
PASSWORD = "it's $ecret"
SHOW = b'#!/bin/sh\nprintf %s "$VALUE"\n'
SUDO = """#!/bin/sh
# As sudo -S does it: the password is the first line, and nothing of the caller's environment comes along
[ "$1 $2 $3" = "-S -p " ] && shift 3 || exit 99
{}
exec env -i PATH="$PATH" IS_ROOT=yes "$@"
"""
ASKS = 'IFS= read -r given; [ "$given" = "$(cat "$(dirname "$0")/password")" ] || exit 1'
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the order's files lie."""
    monkeypatch.setattr(guest_commands, "FOLDER", str(tmp_path))
    return tmp_path


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    command = SHELLS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return command


def run(order: Order, *, shell: list[str] = SHELLS["sh"], sudo: str = "") -> "subprocess.CompletedProcess[bytes]":
    """As a guest does it. sudo: how one there asks; empty: there is none"""
    for path, content in order.files.items():
        Path(path).write_bytes(content)
        Path(path).chmod(0o600)
    with tempfile.TemporaryDirectory() as name:
        programs = Path(name)
        (programs / "password").write_text(PASSWORD)
        (programs / "sudo").write_text(SUDO.format(sudo) if sudo else "exit 98")
        (programs / "sudo").chmod(0o700)
        environment = {"PATH": f"{name}:{os.environ['PATH']}"}
        stdin = f"{PASSWORD}\n".encode() if order.asks_password else b""
        command = [*shell, "-c", order.command]
        return subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)


@pytest.mark.parametrize("value", ["o'ne", "$(id)", "`id`", "two\nlines\n", '"\\$HOME"', "größe", "", " ", "!x;&|#"])
@pytest.mark.parametrize("sudo", ["", ASKS, ":"], ids=["no sudo", "sudo asks", "sudo asks nothing"])
def test_a_variable_reaches_the_script_as_it_is(folder: Path, shell: list[str], value: str, sudo: str) -> None:
    order = order_of("builder", SHOW, sudo=bool(sudo), environment={"OTHER": "x", "VALUE": value})
    done = run(order, shell=shell, sudo=sudo)
    assert (done.returncode, done.stdout, done.stderr) == (0, value.encode(), b"")


@settings(max_examples=50)
@given(value=values)
@example("'\"'")
def test_any_text(value: str) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(guest_commands, "FOLDER", name)
        done = run(order_of("builder", SHOW, sudo=True, environment={"VALUE": value}), sudo=ASKS)
        assert (done.returncode, done.stdout, done.stderr) == (0, value.encode(), b"")


@pytest.mark.parametrize(
    ("username", "sudo", "is_root"), [("builder", True, b"yes"), ("builder", False, b""), ("root", True, b"")]
)
def test_a_script_runs_as_root_if_it_is_to(folder: Path, username: str, sudo: bool, is_root: bytes) -> None:
    """root needs no sudo: there may be none."""
    order = order_of(username, b'printf %s "$IS_ROOT"', sudo=sudo, environment={})
    done = run(order, sudo=ASKS if is_root else "")
    assert (done.returncode, done.stdout) == (0, is_root)
    assert order.asks_password is bool(is_root)


@pytest.mark.parametrize("sudo", [ASKS, ":"], ids=["asks", "asks nothing"])
def test_the_password_is_not_for_the_script_to_read(folder: Path, sudo: str) -> None:
    done = run(order_of("builder", b"cat; echo end", sudo=True, environment={"A": "b"}), sudo=sudo)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"end\n", b"")


@pytest.mark.parametrize("environment", [{}, {"A": "b"}], ids=["plain", "with variables"])
@pytest.mark.parametrize("sudo", ["", ASKS], ids=["user", "root"])
@pytest.mark.parametrize("first", [b"#!/bin/sh\n", b""], ids=["of its own", "of none"])
def test_the_exit_code_is_the_scripts(folder: Path, environment: dict[str, str], sudo: str, first: bytes) -> None:
    script = first + b"echo said; exit 7\n"
    done = run(order_of("builder", script, sudo=bool(sudo), environment=environment), sudo=sudo)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"said\n", b"")


def test_a_script_is_run_by_the_program_of_its_first_line(folder: Path) -> None:
    order = order_of("builder", b"#!/usr/bin/env -S sed -n 2p\nitself\n", sudo=False, environment={})
    assert run(order).stdout == b"itself\n"


def test_a_script_without_a_first_line_is_the_shells(folder: Path, shell: list[str]) -> None:
    order = order_of("builder", b"# no program\ncat /proc/$$/cmdline", sudo=False, environment={"A": "b"})
    assert run(order, shell=shell).stdout.startswith(b"/bin/sh\0")


def test_what_fails_before_the_script_keeps_it_from_running(folder: Path) -> None:
    order = order_of("builder", b"#!/bin/sh\necho ran\n", sudo=False, environment={"A": "b"})
    variables = next(path for path in order.files if path.endswith(".env"))
    done = run(Order({**order.files, variables: b"return 5\n"}, order.command, False))
    assert (done.returncode, done.stdout) == (5, b"")


def test_no_secret_is_on_a_command_line() -> None:
    order = order_of("builder", b"echo of-the-script", sudo=True, environment={"TOKEN": "of-the-variables"})
    assert "of-the" not in order.command and "TOKEN" not in order.command
    assert b"of-the-variables" in b"".join(order.files.values())


def test_each_script_has_files_of_its_own_and_a_second_try_the_same() -> None:
    orders = [
        order_of("builder", b"one", sudo=False, environment={}),
        order_of("builder", b"two", sudo=False, environment={}),
        order_of("builder", b"one", sudo=False, environment={"A": "b"}),
        order_of("builder", b"one", sudo=False, environment={"A": "c"}),
    ]
    paths = [path for order in orders for path in order.files]
    assert len(paths) == len(set(paths)) == 6
    assert all(re.fullmatch(r"/tmp/herasphere-[0-9a-f]{12}(\.env)?", path) for path in paths)
    assert order_of("builder", b"one", sudo=False, environment={"A": "b"}) == orders[2]


def test_no_variables_no_file_of_them() -> None:
    assert [*order_of("root", b"one", sudo=True, environment={}).files.values()] == [b"one"]


@pytest.mark.parametrize("name", ["A B", "A=B", "1A", "A;id", "", "$(id)", "größe", "A\n"])
def test_settings_have_no_variables_that_a_shell_cannot(name: str) -> None:
    with pytest.raises(ValidationError, match="is no name of a variable"):
        ScriptEntry(inline=("true",), environment={"_good_1": "x", name: "x"})


def test_names_of_variables_that_settings_may_have(folder: Path, shell: list[str]) -> None:
    given = ScriptEntry(inline=("true",), environment={"_good_1": "one", "Two": "two"}).environment
    order = order_of("builder", b'printf %s "$_good_1$Two"', sudo=False, environment=given)
    assert run(order, shell=shell).stdout == b"onetwo"
