"""A guest by SSH: who is let in, what a command says and ends with, files whole or not at all."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from steps.clients import ssh
from steps.clients.ssh import Credentials, Guest, connect, key_of, wait_for_login
from steps.domain.errors import AccessDenied, TimedOut, Unavailable, Unsupported, VerifyFailed
from steps.domain.image.guest_commands import Order, order_of
from tests.unit.clients.sshd import HOST_KEY, PASSWORD, USER, Sshd, sshd

WHO = Credentials(USER, PASSWORD)
FINGERPRINT = HOST_KEY.fingerprint
Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KEYS: dict[str, Private] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}
OPENSSH, PEM = serialization.PrivateFormat.OpenSSH, serialization.PrivateFormat.TraditionalOpenSSL
LONG = "0123456789" * 1000


def private(key: Private, form: serialization.PrivateFormat = OPENSSH, passphrase: bytes = b"") -> str:
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, locked).decode()


def public(key: Private) -> str:
    form = serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def session(running: Sshd) -> Iterator[Guest]:
    with connect("127.0.0.1", running.port, WHO) as made:
        yield made


@pytest.fixture
def server(running: Sshd, tmp_path: Path) -> Iterator[Sshd]:
    """As new, and left so: the session may begin after any test."""
    running.home = tmp_path / "home"
    running.home.mkdir()
    running.tried.clear()
    running.commands.clear()
    yield running
    fresh = Sshd(running.home)
    running.ways, running.password, running.key = fresh.ways, fresh.password, fresh.key


@pytest.fixture
def guest(session: Guest, server: Sshd) -> Guest:
    """At this server, for tests that leave the connection as it is."""
    return session


@pytest.fixture
def lone(server: Sshd) -> Iterator[Guest]:
    """At this server, by the last of its connections."""
    with connect("127.0.0.1", server.port, WHO) as made:
        yield made


class Late:
    """The module's time, in which a call of `pass_by` takes an hour."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def pass_by(self, line: str) -> None:
        self.now_s += 3600


@contextmanager
def saying(said: bytes | None) -> Iterator[int]:
    """The port of a server that says this to whoever comes, and hangs up; None: it says nothing and waits."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(said or b"")
                    if said is None:
                        done.wait(60)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def logged_in(server: Sshd, who: Credentials) -> bool:
    with connect("127.0.0.1", server.port, who) as guest:
        return guest.run("true", timeout_s=60) == 0


# Logging in


@pytest.mark.parametrize(
    ("ways", "tried"),
    [
        (("password",), ["password"]),
        (("password", "keyboard-interactive"), ["password"]),
        (("keyboard-interactive",), ["keyboard-interactive"]),
        (("publickey", "keyboard-interactive"), ["keyboard-interactive"]),
    ],
    ids=str,
)
def test_a_password_whichever_way_the_guest_asks_for_it(server: Sshd, ways: tuple[str, ...], tried: list[str]) -> None:
    server.ways = ways
    assert logged_in(server, WHO)
    assert server.tried[-1:] == tried


@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind in KEYS for form in (OPENSSH, PEM) if (kind, form) != ("ed25519", PEM)]
)
def test_a_key_of_each_kind(server: Sshd, kind: str, form: serialization.PrivateFormat) -> None:
    server.ways, server.key = ("publickey",), public(KEYS[kind])
    for text in (
        private(KEYS[kind], form),
        f"\n{private(KEYS[kind], form).strip()}",
        private(KEYS[kind], form) + "\n\n",
    ):
        assert logged_in(server, Credentials(USER, private_key=text))
    assert "password" not in server.tried


@pytest.mark.parametrize(
    "ways", [("password",), ("keyboard-interactive",), ("password", "keyboard-interactive")], ids=str
)
def test_a_wrong_password(server: Sshd, ways: tuple[str, ...]) -> None:
    server.ways = ways
    with pytest.raises(AccessDenied, match="the guest does not accept the password") as caught:
        logged_in(server, Credentials(USER, "wrong"))
    assert caught.value.where == f"{USER}@127.0.0.1 port {server.port}" and "ssh_password" in caught.value.hint


def test_another_user(server: Sshd) -> None:
    with pytest.raises(AccessDenied, match="does not accept the password"):
        logged_in(server, Credentials("root", PASSWORD))


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_wrong_key(server: Sshd, password: str) -> None:
    server.ways, server.key = ("publickey",), public(KEYS["ecdsa"])
    with pytest.raises(AccessDenied, match="does not accept the key") as caught:
        logged_in(server, Credentials(USER, password, private(KEYS["ed25519"])))
    assert "ssh_private_key" in caught.value.hint


def test_with_a_wrong_key_the_password_is_tried(server: Sshd) -> None:
    assert logged_in(server, Credentials(USER, PASSWORD, private(KEYS["ed25519"])))
    assert server.tried[0] == "publickey" and server.tried[-1] == "password"


def test_a_guest_that_takes_keys_alone(server: Sshd) -> None:
    server.ways = ("publickey",)
    with pytest.raises(AccessDenied, match="lets nobody in by password, but by publickey") as caught:
        logged_in(server, WHO)
    assert "ssh_private_key" in caught.value.hint


def test_a_guest_that_takes_passwords_alone(server: Sshd) -> None:
    server.ways = ("password", "keyboard-interactive")
    with pytest.raises(AccessDenied, match="lets nobody in by key, but by keyboard-interactive, password") as caught:
        logged_in(server, Credentials(USER, private_key=private(KEYS["ed25519"])))
    assert "ssh_password" in caught.value.hint


def test_nothing_of_this_machine_counts(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the key of whoever runs it, nor which host keys they have seen."""
    files = tmp_path / ".ssh"
    files.mkdir(mode=0o700)
    (files / "id_ed25519").write_text(private(KEYS["ed25519"]))
    (files / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {public(KEYS['ecdsa'])}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    server.key = public(KEYS["ed25519"])
    with pytest.raises(AccessDenied, match="does not accept the password"):
        logged_in(server, Credentials(USER, "wrong"))
    assert "publickey" not in server.tried
    assert logged_in(server, WHO)


def test_no_agent_is_asked(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent"))
        listener.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()
                    asked.append(True)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        with pytest.raises(AccessDenied):
            logged_in(server, Credentials(USER, "wrong"))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert asked == []


def test_the_fingerprint_is_the_one_that_others_show(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}\n")
    assert guest.fingerprint == FINGERPRINT
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed (package openssh-client)")
    shown = subprocess.run(["ssh-keygen", "-lf", "key.pub"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert guest.fingerprint in shown.stdout.split()


def test_credentials_are_not_shown() -> None:
    assert "secret" not in repr(WHO) and "secret" not in repr(Credentials(USER, private_key="secret"))


@pytest.mark.parametrize(
    "text", ["secret", "", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"]
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(Unsupported, match="it is no private key") as caught:
        key_of(text)
    assert caught.value.where == "ssh_private_key" and "secret" not in str(caught.value)


def test_a_public_key_is_no_private_one() -> None:
    with pytest.raises(Unsupported, match="it is no private key"):
        key_of(public(KEYS["ed25519"]))


@pytest.mark.parametrize(("kind", "form"), [("ed25519", OPENSSH), ("rsa", OPENSSH), ("rsa", PEM), ("ecdsa", PEM)])
def test_a_key_with_a_passphrase(kind: str, form: serialization.PrivateFormat) -> None:
    with pytest.raises(Unsupported, match="the key has a passphrase") as caught:
        key_of(private(KEYS[kind], form, b"of the key"))
    assert "ssh-keygen" in caught.value.hint


def test_a_wrong_key_is_told_before_anybody_is_asked() -> None:
    with pytest.raises(Unsupported), connect("127.0.0.1", closed_port(), Credentials(USER, private_key="none")):
        pass


# Reaching it


def test_a_port_that_nobody_listens_at() -> None:
    port = closed_port()
    with pytest.raises(Unavailable, match="SSH does not answer") as caught, connect("127.0.0.1", port, WHO):
        pass
    assert caught.value.where == f"{USER}@127.0.0.1 port {port}"


@pytest.mark.parametrize(
    "said", [b"220 mail ready\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\0" * 5000, b"SSH-2.0-x\r\n"]
)
def test_a_port_that_speaks_no_ssh(said: bytes) -> None:
    with saying(said) as port, pytest.raises(Unavailable, match="SSH does not answer"), connect("127.0.0.1", port, WHO):
        pass


@pytest.mark.parametrize("said", [None, b"SSH-2.0-x\r\n"])
def test_a_port_that_falls_silent(said: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "CONNECT_S", 0.2)
    with saying(said) as port, pytest.raises(Unavailable, match="SSH does not answer"), connect("127.0.0.1", port, WHO):
        pass


def test_the_usual_port_is_not_told() -> None:
    """An address that a host may not connect to: no packet leaves this machine."""
    with pytest.raises(Unavailable) as caught, connect("255.255.255.255", 22, WHO):
        pass
    assert caught.value.where == f"{USER}@255.255.255.255"


def test_nothing_of_it_is_on_stderr() -> None:
    """While a guest starts, this happens again and again."""
    with saying(b"220 mail ready\r\n") as port:
        code = (
            "from steps.clients.ssh import *\n"
            "try:\n"
            f"    with connect('127.0.0.1', {port}, Credentials('a', 'b')): pass\n"
            "except Unavailable: print('told')\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("told\n", "")


# Commands


def said_by(guest: Guest, command: str, stdin: bytes = b"") -> tuple[int, list[str]]:
    lines: list[str] = []
    return guest.run(command, stdin=stdin, timeout_s=60, line=lines.append), lines


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_a_command_ends_with_its_code(guest: Guest, code: int) -> None:
    assert said_by(guest, f"echo one; echo two; exit {code}") == (code, ["one", "two"])


def test_what_it_says_of_errors_is_among_it(guest: Guest) -> None:
    code, lines = said_by(guest, "echo one; echo two >&2")
    assert (code, sorted(lines)) == (0, ["one", "two"])


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ("", []),
        ("no end", ["no end"]),
        ("a\\n\\nb\\n", ["a", "", "b"]),
        ("a\\r\\nb\\r\\n", ["a", "b"]),
        ("10%%\\r20%%\\r100%%\\nend\\r", ["100%", "end"]),
        ("gr\\303\\266\\303\\237e\\n\\377\\n", ["größe", "\ufffd"]),
    ],
)
def test_what_it_says_comes_line_by_line(guest: Guest, printed: str, lines: list[str]) -> None:
    assert said_by(guest, f"printf '{printed}'") == (0, lines)


def test_a_long_output(guest: Guest) -> None:
    code, lines = said_by(guest, "seq 1 500000")
    assert code == 0 and lines == [str(number) for number in range(1, 500001)]


def test_of_a_long_line_its_beginning(guest: Guest) -> None:
    assert said_by(guest, f"echo {LONG}; echo end") == (0, [LONG[:4000], "end"])


def test_of_a_line_without_an_end_only_the_last_is_kept(guest: Guest) -> None:
    code, (line, end) = said_by(guest, "seq -s ' ' 1 500000; echo end")
    whole = " ".join(map(str, range(1, 500001)))
    assert code == 0 and end == "end" and len(line) == ssh.LONGEST_LINE
    assert line in whole[-4 * ssh.LONGEST_LINE - ssh.CHUNK_BYTES :]


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_a_command_reads_what_it_is_given_and_its_end(guest: Guest, size: int) -> None:
    content = hashlib.shake_128(b"stdin").digest(size)
    assert said_by(guest, "sha256sum", content) == (0, [f"{hashlib.sha256(content).hexdigest()}  -"])


def test_a_command_that_does_not_read_what_it_is_given(guest: Guest) -> None:
    """More than fits into what is on its way: nothing of it waits for the command."""
    assert said_by(guest, "echo no; exit 5", bytes(10_000_000)) == (5, ["no"])


@pytest.mark.parametrize("stdin", [b"", bytes(10_000_000)], ids=["", "given more than it reads"])
def test_a_command_that_does_not_end(guest: Guest, stdin: bytes) -> None:
    with pytest.raises(TimedOut, match=r"a command did not end within 0\.2 s") as caught:
        guest.run("exec sleep 600", stdin=stdin, timeout_s=0.2)
    assert caught.value.where == guest.where and "more time" in caught.value.hint
    assert said_by(guest, "echo again") == (0, ["again"])


def test_what_it_said_last_is_told_with_its_end(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Late()
    monkeypatch.setattr(ssh, "time", late)
    with pytest.raises(TimedOut, match="did not end within 600 s") as caught:
        guest.run("echo its word; exec sleep 600", timeout_s=600, line=late.pass_by)
    assert caught.value.hint == "its last word: its word"


def test_a_command_that_says_something_all_the_time_must_end_too(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Late()
    monkeypatch.setattr(ssh, "time", late)
    with pytest.raises(TimedOut, match="did not end within 7200 s"):
        guest.run("while echo again; do :; done", timeout_s=7200, line=late.pass_by)


def test_a_command_that_is_killed_has_no_code(guest: Guest) -> None:
    with pytest.raises(Unavailable, match="the connection ended while a command ran"):
        said_by(guest, "kill -KILL $$")


def test_a_connection_that_dies_while_a_command_runs(server: Sshd, lone: Guest) -> None:
    with pytest.raises(Unavailable, match="the connection ended while a command ran") as caught:
        lone.run("echo started; exec sleep 600", timeout_s=60, line=lambda _: server.drop())
    assert caught.value.where == lone.where


def test_a_connection_that_is_dead(server: Sshd, lone: Guest) -> None:
    server.drop()
    with pytest.raises(Unavailable):
        said_by(lone, "true")


def test_the_connection_is_closed_afterwards(server: Sshd) -> None:
    with pytest.raises(ZeroDivisionError), connect("127.0.0.1", server.port, WHO):
        raise ZeroDivisionError
    transport = server.transports[-1]
    transport.join(60)
    assert not transport.is_active()


# Files


@pytest.mark.parametrize("name", ["plain", 'o\'ne $(id) "two"', "größe", "a/b c/d"])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o4755])
def test_a_file_is_put_with_its_mode(server: Sshd, guest: Guest, name: str, mode: int) -> None:
    path = server.home / name
    guest.put(b"\0\xff\r\ncontent", str(path), mode)
    assert path.read_bytes() == b"\0\xff\r\ncontent" and path.stat().st_mode & 0o7777 == mode
    assert [each for each in path.parent.iterdir() if each.is_file()] == [path]


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_a_file_of_any_size_takes_anothers_place(server: Sshd, guest: Guest, size: int) -> None:
    content = hashlib.shake_128(b"file").digest(size)
    (server.home / "file").write_text("before")
    guest.put(content, f"{server.home}/file", 0o600)
    assert (server.home / "file").read_bytes() == content


def test_a_path_without_a_folder_is_the_users(server: Sshd, guest: Guest) -> None:
    guest.put(b"content", "file", 0o600)
    assert (server.home / "file").read_bytes() == b"content"


def test_nobody_else_reads_it_while_it_comes(server: Sshd, guest: Guest) -> None:
    guest.put(b"content", f"{server.home}/new/file", 0o644)
    (command,) = server.commands
    assert command.index("umask 077") < command.index("cat >") < command.index("chmod 644") < command.index("mv ")


@pytest.mark.parametrize("size", [10, 10_000_000])
def test_a_file_that_cannot_be_written(server: Sshd, guest: Guest, size: int) -> None:
    """However much of it is on its way: the reason is what the guest says."""
    (server.home / "file").write_text("before")
    with pytest.raises(VerifyFailed, match=r"/file/below cannot be written: .*(Not a directory|File exists)") as caught:
        guest.put(bytes(size), f"{server.home}/file/below", 0o600)
    assert caught.value.where == guest.where
    assert (server.home / "file").read_text() == "before"


def test_a_folder_is_no_place_for_a_file(server: Sshd, guest: Guest) -> None:
    (server.home / "folder").mkdir()
    with pytest.raises(VerifyFailed, match="folder cannot be written: it is a folder"):
        guest.put(b"content", f"{server.home}/folder", 0o600)
    assert list((server.home / "folder").iterdir()) == []


def test_a_file_of_which_not_all_arrives(server: Sshd, guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = server.home / "programs"
    programs.mkdir()
    (programs / "cat").write_text("#!/bin/sh\nhead -c 3\n")
    (programs / "cat").chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    (server.home / "file").write_text("before")
    with pytest.raises(VerifyFailed, match="file cannot be written: code 1"):
        guest.put(b"content", f"{server.home}/file", 0o600)
    assert (server.home / "file").read_text() == "before"


# Orders


def order(server: Sshd, command: str, *, asks_password: bool = False) -> Order:
    return Order({f"{server.home}/one": b"1", f"{server.home}/o'ne 2": b"2"}, command, asks_password)


def left(server: Sshd) -> list[str]:
    return sorted(path.name for path in server.home.iterdir())


@pytest.mark.parametrize("code", [0, 7])
def test_an_orders_files_are_there_for_its_user_alone_and_then_gone(server: Sshd, guest: Guest, code: int) -> None:
    lines: list[str] = []
    command = f"stat -c '%a %n' *; exit {code}"
    assert guest.execute(order(server, command), password="", timeout_s=60, line=lines.append) == code
    assert lines == ["600 o'ne 2", "600 one"] and left(server) == []


@pytest.mark.parametrize(("asks", "given"), [(True, [PASSWORD]), (False, [])])
def test_the_password_is_given_to_who_asks(server: Sshd, guest: Guest, asks: bool, given: list[str]) -> None:
    lines: list[str] = []
    guest.execute(order(server, "cat", asks_password=asks), password=PASSWORD, timeout_s=60, line=lines.append)
    assert lines == given
    assert not any("ecret" in command for command in server.commands)


def test_files_of_an_order_that_does_not_end_are_gone(server: Sshd, guest: Guest) -> None:
    with pytest.raises(TimedOut):
        guest.execute(order(server, "exec sleep 600"), password="", timeout_s=0.1, line=lambda _: None)
    assert left(server) == []


def test_an_order_whose_connection_dies_says_that(server: Sshd, lone: Guest) -> None:
    """And not that its files could not be removed."""
    with pytest.raises(Unavailable, match="the connection ended while a command ran"):
        made = order(server, "echo started; exec sleep 600")
        lone.execute(made, password="", timeout_s=60, line=lambda _: server.drop())


def test_an_order_as_it_is_made(server: Sshd, guest: Guest) -> None:
    lines: list[str] = []
    made = order_of(USER, b'#!/bin/sh\necho "$VALUE"\nexit 3\n', sudo=False, environment={"VALUE": "it's $ecret"})
    assert guest.execute(made, password="", timeout_s=60, line=lines.append) == 3
    assert lines == ["it's $ecret"] and not any(Path(path).exists() for path in made.files)


# Waiting for it


class Clock:
    """Sleeps at once. on_sleep: what happens meanwhile, at which second"""

    def __init__(self, start_s: float = 0.0, **on_sleep: Callable[[], object]) -> None:
        self.now_s = start_s
        self.on_sleep = {int(at.removeprefix("at_")): act for at, act in on_sleep.items()}

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        for at in [at for at in self.on_sleep if at <= self.now_s]:
            self.on_sleep.pop(at)()


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ten seconds: to log in takes real time."""
    monkeypatch.setattr(ssh, "EVERY_S", 10.0)


def waited(port: int, clock: Clock, *, timeout_s: float = 600) -> tuple[str, list[str]]:
    told: list[str] = []
    return wait_for_login("127.0.0.1", port, WHO, timeout_s=timeout_s, told=told.append, clock=clock), told


def test_who_is_let_in_at_once_waits_for_nothing(server: Sshd) -> None:
    clock = Clock()
    assert waited(server.port, clock) == (FINGERPRINT, []) and clock.now_s == 0


@pytest.mark.usefixtures("seldom")
def test_each_reason_is_told_once(server: Sshd) -> None:
    server.ways, server.password = ("publickey",), "not yet"
    clock = Clock(
        at_20=lambda: setattr(server, "ways", ("password",)),
        at_40=lambda: setattr(server, "password", PASSWORD),
    )
    fingerprint, told = waited(server.port, clock)
    assert (fingerprint, clock.now_s) == (FINGERPRINT, 40)
    assert told == [
        "127.0.0.1: the guest lets nobody in by password, but by publickey",
        "127.0.0.1: the guest does not accept the password",
    ]


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize("start_s", [0.0, 1000.0])
def test_who_is_refused_for_a_minute_stays_refused(server: Sshd, start_s: float) -> None:
    server.password = "another"
    clock = Clock(start_s)
    with pytest.raises(AccessDenied, match="does not accept the password"):
        waited(server.port, clock)
    assert clock.now_s == start_s + 60


@pytest.mark.usefixtures("seldom")
def test_a_guest_that_restarts_may_refuse_for_another_minute(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a refusal without a break counts."""
    server.password = "another"
    real, gone = ssh.connect, threading.Event()

    def connected(address: str, port: int, who: Credentials) -> object:
        return real(address, closed_port() if gone.is_set() else port, who)

    monkeypatch.setattr(ssh, "connect", connected)
    clock = Clock(at_50=gone.set, at_60=gone.clear, at_100=lambda: setattr(server, "password", PASSWORD))
    fingerprint, told = waited(server.port, clock)
    assert (fingerprint, clock.now_s) == (FINGERPRINT, 100)
    assert [line.split("(")[0] for line in told] == [
        "127.0.0.1: the guest does not accept the password",
        "127.0.0.1: SSH does not answer ",
        "127.0.0.1: the guest does not accept the password",
    ]


def test_a_guest_that_never_answers() -> None:
    clock, port = Clock(), closed_port()
    with pytest.raises(TimedOut, match="nobody could log in within 9 s: SSH does not answer") as caught:
        waited(port, clock, timeout_s=9)
    assert caught.value.where == f"{USER}@127.0.0.1 port {port}" and "sshd" in caught.value.hint
    assert clock.now_s == 10


def test_what_no_time_changes_is_told_at_once() -> None:
    with pytest.raises(Unsupported):
        who = Credentials(USER, private_key="none")
        wait_for_login("127.0.0.1", closed_port(), who, timeout_s=600, told=lambda _: None, clock=Clock())
