"""A guest's SSH server, in this process: it runs nothing, but tells what it was asked to and answers as it is told."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko

PUTS, REMOVES = ("mkdir -p ", "umask 077"), "rm -f "


@dataclass
class Sshd:
    """Whose commands these are, and what was asked so far.

    answers:  code and output for a command that has this text in it; 0 and nothing for any other
    asked:    every command, and what was sent to it
    on_order: called before each command is answered
    """

    password: str
    port: int = 0
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    on_order: Callable[[], None] = lambda: None

    @property
    def orders(self) -> list[str]:
        """The commands, without those that put files and remove them."""
        return [command for command, _ in self.asked if not command.startswith((*PUTS, REMOVES))]

    @property
    def files(self) -> list[bytes]:
        """The content of each file that was put."""
        return [sent for command, sent in self.asked if command.startswith(PUTS)]

    def answer(self, command: str, sent: bytes) -> tuple[int, str]:
        self.asked.append((command, sent))
        if command.startswith((*PUTS, REMOVES)):
            return 0, ""
        self.on_order()
        return next((told for text, told in self.answers.items() if text in command), (0, ""))


@contextmanager
def sshd(password: str) -> Iterator[Sshd]:
    """One on loopback that lets in whoever has this password."""
    made, key = Sshd(password), paramiko.RSAKey.generate(2048)
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.port = listener.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(connection)
                transports.append(transport)
                transport.add_server_key(key)
                transport.start_server(event=threading.Event(), server=_Session(made))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for transport in transports:
                transport.close()


class _Session(paramiko.ServerInterface):
    def __init__(self, server: Sshd) -> None:
        self._server = server

    def check_auth_password(self, username: str, password: str) -> int:
        known = password == self._server.password
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        sent = b"".join(iter(lambda: channel.recv(1 << 16), b""))
        code, said = self._server.answer(command, sent)
        channel.sendall(said.encode())
        channel.send_exit_status(code)
        channel.close()
