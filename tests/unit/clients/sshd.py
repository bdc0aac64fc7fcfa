"""An SSH server on loopback whose commands a real /bin/sh runs, in a folder that is its user's home."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.server import InteractiveQuery

USER, PASSWORD = "builder", "it's $ecret"
HOST_KEY = paramiko.ECDSAKey.generate()


@dataclass
class Sshd:
    """Who is let in, by which ways, and what was asked for so far.

    ways: "password", "keyboard-interactive", "publickey"
    key:  the user's, as authorized_keys has it
    """

    home: Path
    port: int = 0
    ways: tuple[str, ...] = ("password", "publickey")
    password: str = PASSWORD
    key: str = ""
    tried: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    transports: list[paramiko.Transport] = field(default_factory=list)
    children: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def drop(self) -> None:
        """The last connection ends here and now."""
        self.transports[-1].sock.close()
        self.transports[-1].close()

    def kill(self) -> None:
        """Nothing that it ran is left."""
        for child in self.children:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@contextmanager
def sshd(home: Path) -> Iterator[Sshd]:
    made = Sshd(home)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.port = listener.getsockname()[1]
        thread = threading.Thread(target=_accept, args=(made, listener), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for transport in made.transports:
                transport.close()
                transport.join()
            made.kill()


def _accept(made: Sshd, listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(connection)
        made.transports.append(transport)
        transport.add_server_key(HOST_KEY)
        transport.start_server(event=threading.Event(), server=_Session(made))


class _Session(paramiko.ServerInterface):
    def __init__(self, server: Sshd) -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:
        return ",".join(self._server.ways)

    def check_auth_password(self, username: str, password: str) -> int:
        return self._known("password", (username, password) == (USER, self._server.password))

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._known("publickey", username == USER and key.get_base64() in self._server.key.split())

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        if "keyboard-interactive" not in self._server.ways or username != USER:
            return AUTH_FAILED
        return InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return self._known("keyboard-interactive", responses == [self._server.password])

    def _known(self, way: str, is_known: bool) -> int:
        self._server.tried.append(way)
        return AUTH_SUCCESSFUL if is_known and way in self._server.ways else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._server.commands.append(command.decode())
        child = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self._server.home,
            env={"HOME": str(self._server.home), "PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._server.children.append(child)
        answered = threading.Event()
        threading.Thread(target=_feed, args=(channel, child, answered), daemon=True).start()
        threading.Thread(target=_answer, args=(channel, child, answered), daemon=True).start()
        return True


def _feed(channel: paramiko.Channel, child: "subprocess.Popen[bytes]", answered: threading.Event) -> None:
    """answered: once something came, so that the client knows that its command was accepted"""
    assert child.stdin is not None
    with suppress(OSError), child.stdin:
        data = channel.recv(1 << 16)
        answered.set()
        while data:
            child.stdin.write(data)
            child.stdin.flush()
            data = channel.recv(1 << 16)


def _answer(channel: paramiko.Channel, child: "subprocess.Popen[bytes]", answered: threading.Event) -> None:
    """All that it says, then its exit code; who was killed has none."""
    assert child.stdout is not None and child.stderr is not None
    errors = threading.Thread(target=_pass_on, args=(child.stderr, channel.sendall_stderr), daemon=True)
    errors.start()
    _pass_on(child.stdout, channel.sendall)
    errors.join()
    answered.wait()
    with suppress(OSError, EOFError):
        if (code := child.wait()) >= 0:
            channel.send_exit_status(code)
        channel.close()


def _pass_on(source: IO[bytes], send: Callable[[bytes], None]) -> None:
    with suppress(OSError), source:
        while data := os.read(source.fileno(), 1 << 16):
            send(data)
