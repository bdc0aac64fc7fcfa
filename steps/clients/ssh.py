"""A guest by SSH: the only importer of paramiko. All errors are this project's own.

connect(...)         ->  Guest, logged in
wait_for_login(...)  ->  its host key's fingerprint, once somebody is let in

Nothing of this machine counts: no agent, no keys and no known hosts of whoever runs it. The host key of a system that
was installed a minute ago is known to nobody, so it is accepted, and its fingerprint told: who needs more gives the
guest its key in the kickstart.
"""

import io
import logging
import shlex
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from posixpath import dirname
from typing import Any

import paramiko
from paramiko.ssh_exception import AuthenticationException, BadAuthenticationType, NoValidConnectionsError, SSHException

from steps.domain.errors import AccessDenied, HerasphereError, TimedOut, Unavailable, Unsupported, VerifyFailed
from steps.domain.image.guest_commands import Order
from steps.domain.wait import SYSTEM_CLOCK, Clock

SSH_PORT = 22
CONNECT_S = 15.0
ALIVE_EVERY_S = 20
EVERY_S = 2.0
DENIED_FOR_S = 60.0  # a first boot may set the password only after SSH is up
LONGEST_LINE = 4000
CHUNK_BYTES = 32 * 1024
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it says on stderr is in the errors
WAYS = {"key": {"publickey"}, "password": {"password", "keyboard-interactive"}}
KEYS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


@dataclass(frozen=True)
class Credentials:
    """Who logs in. private_key: its text; empty: by password"""

    username: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)


class Guest:
    """One session as one user. Made by `connect`."""

    def __init__(self, client: paramiko.SSHClient, where: str) -> None:
        self._client = client
        self.where = where

    @property
    def fingerprint(self) -> str:
        """Of its host key, as ssh-keygen shows it."""
        transport = self._client.get_transport()
        assert transport is not None  # it is connected
        digest = sha256(transport.get_remote_server_key().asbytes()).digest()
        return "SHA256:" + b64encode(digest).decode().rstrip("=")

    def run(
        self, command: str, *, stdin: bytes = b"", timeout_s: float, line: Callable[[str], None] = lambda _: None
    ) -> int:
        """The command's exit code; what it says goes to `line`, line by line, stderr among it.

        TimedOut after the time, Unavailable if the connection ended before the command did.
        """
        end_s = time.monotonic() + timeout_s
        with self._reaching(), self._channel(timeout_s) as channel:
            channel.set_combine_stderr(True)
            channel.exec_command(command)
            channel.settimeout(timeout_s)
            with suppress(OSError):  # a command may end without reading all of it: its code tells why
                channel.sendall(stdin)
                channel.shutdown_write()
            self._read(channel, end_s, timeout_s, _Lines(line))
            code = channel.recv_exit_status() if channel.exit_status_ready() else -1
        if code == -1:
            hint = "did it restart, or shut down the network?"
            raise Unavailable("the connection ended while a command ran", where=self.where, hint=hint)
        return code

    def execute(self, order: Order, *, password: str, timeout_s: float, line: Callable[[str], None]) -> int:
        """The exit code of an order, whose files are gone from the guest afterwards. password: for sudo"""
        for path, content in order.files.items():
            self.put(content, path, 0o600)
        try:
            stdin = f"{password}\n".encode() if order.asks_password else b""
            return self.run(order.command, stdin=stdin, timeout_s=timeout_s, line=line)
        finally:
            with suppress(HerasphereError):
                self.run(f"rm -f {shlex.join(order.files)}", timeout_s=CONNECT_S)

    def put(self, content: bytes, path: str, mode: int) -> None:
        """The file at this path holds the content, whole or not at all; its folder is made.

        By the shell, not by SFTP: minimal systems have none.
        """
        part = f"{path}.{sha256(content).hexdigest()[:8]}.part"
        folder = dirname(path)
        steps = [f"mkdir -p {shlex.quote(folder)}"] if folder else []
        steps += [
            "umask 077",
            f"{{ [ ! -d {shlex.quote(path)} ] || {{ echo it is a folder; false; }}; }}",  # mv would put it in there
            f"cat > {shlex.quote(part)}",
            f"[ $(wc -c < {shlex.quote(part)}) -eq {len(content)} ]",
            f"chmod {mode:o} {shlex.quote(part)}",
            f"mv -f {shlex.quote(part)} {shlex.quote(path)}",
        ]
        said: list[str] = []
        timeout_s = 120.0 + len(content) / 100_000
        code = self.run(" && ".join(steps), stdin=content, timeout_s=timeout_s, line=said.append)
        if code:
            reason = said[-1] if said else f"code {code}"
            hint = "may this user write there? is there room?"
            raise VerifyFailed(f"{path} cannot be written: {reason}", where=self.where, hint=hint)

    @contextmanager
    def _channel(self, timeout_s: float) -> Iterator[paramiko.Channel]:
        transport = self._client.get_transport()
        assert transport is not None
        channel = transport.open_session(timeout=min(timeout_s, CONNECT_S))
        try:
            yield channel
        finally:
            channel.close()

    def _read(self, channel: paramiko.Channel, end_s: float, timeout_s: float, lines: "_Lines") -> None:
        while True:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                what = f"a command did not end within {timeout_s:g} s"
                hint = f"its last word: {lines.last}" if lines.last else "give it more time, or look at it in the guest"
                raise TimedOut(what, where=self.where, hint=hint)
            channel.settimeout(left_s)
            try:
                data = channel.recv(CHUNK_BYTES)
            except TimeoutError:
                continue
            if not data:
                lines.end()
                with suppress(TimeoutError):
                    channel.status_event.wait(min(left_s, CONNECT_S))
                return
            lines.take(data)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except TimedOut:
            raise
        except (SSHException, OSError, EOFError) as error:
            raise Unavailable(f"the connection failed ({_text(error)})", where=self.where, hint="is it up?") from error


class _Lines:
    """Bytes as lines; of a progress bar only what it shows last."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._open = b""
        self.last = ""

    def take(self, data: bytes) -> None:
        *whole, self._open = (self._open + data).split(b"\n")
        for each in whole:
            self._tell(each)
        self._open = self._open[-LONGEST_LINE * 4 :]

    def end(self) -> None:
        if self._open:
            self._tell(self._open)

    def _tell(self, line: bytes) -> None:
        shown = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
        self.last = shown[:LONGEST_LINE]
        self._line(self.last)


@contextmanager
def connect(address: str, port: int, who: Credentials) -> Iterator[Guest]:
    """The guest, logged in; the connection is closed afterwards.

    Unavailable while nobody answers, AccessDenied where nobody is let in, Unsupported for a key that is none.
    """
    where = f"{who.username}@{address}" + (f" port {port}" if port != SSH_PORT else "")
    key = key_of(who.private_key) if who.private_key else None
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_Accepted())
    try:
        _log_in(client, address, port, who, key, where)
        transport = client.get_transport()
        assert transport is not None and isinstance(transport.sock, socket.socket)  # it is connected, and by no proxy
        transport.set_keepalive(ALIVE_EVERY_S)
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each command takes 40 ms longer
        yield Guest(client, where)
    finally:
        client.close()


def _log_in(client: paramiko.SSHClient, address: str, port: int, who: Credentials, key: Any, where: str) -> None:
    try:
        client.connect(
            address,
            port,
            who.username,
            who.password or None,
            pkey=key,
            timeout=CONNECT_S,
            banner_timeout=CONNECT_S,
            auth_timeout=CONNECT_S,
            allow_agent=False,
            look_for_keys=False,
        )
    except AuthenticationException as error:
        raise _denied(error, "key" if key else "password", where) from error
    except (NoValidConnectionsError, SSHException, OSError, EOFError) as error:
        hint = "is sshd up, and reachable from here?"
        raise Unavailable(f"SSH does not answer ({_text(error)})", where=where, hint=hint) from error


def _denied(error: AuthenticationException, way: str, where: str) -> AccessDenied:
    """As the guest does not take a password or key, or does not take any of its kind."""
    ways = set(error.allowed_types) if isinstance(error, BadAuthenticationType) else WAYS[way]
    setting, other = ("ssh_private_key", "ssh_password") if way == "key" else ("ssh_password", "ssh_private_key")
    if ways & WAYS[way]:
        hint = f"check ssh_username and {setting} with the kickstart; does its sshd let this user in?"
        return AccessDenied(f"the guest does not accept the {way}", where=where, hint=hint)
    what = f"the guest lets nobody in by {way}, but by {', '.join(sorted(ways))}"
    return AccessDenied(what, where=where, hint=f"{other}, or let the image accept {way}s")


def wait_for_login(
    address: str,
    port: int,
    who: Credentials,
    *,
    timeout_s: float,
    told: Callable[[str], None],
    clock: Clock = SYSTEM_CLOCK,
) -> str:
    """The fingerprint of the guest's host key, once it lets this user in. told: gets each new reason why not yet

    TimedOut, with the last reason, after the time; AccessDenied after a minute of being refused without a break.
    """
    end_s, said = clock.now() + timeout_s, ""
    refused_since_s: float | None = None
    last: HerasphereError
    while True:
        try:
            with connect(address, port, who) as guest:
                return guest.fingerprint
        except Unavailable as error:
            refused_since_s, last = None, error
        except AccessDenied as error:
            refused_since_s, last = clock.now() if refused_since_s is None else refused_since_s, error
            if clock.now() - refused_since_s >= DENIED_FOR_S:
                raise
        if last.what != said:
            said = last.what
            told(f"{address}: {said}")
        if clock.now() >= end_s:
            what = f"nobody could log in within {timeout_s:g} s: {last.what}"
            raise TimedOut(what, where=last.where, hint=last.hint)
        clock.sleep(EVERY_S)


def key_of(text: str) -> Any:
    """The private key that this text is; Unsupported if it is none, or one with a passphrase."""
    for kind in KEYS:
        try:
            return kind.from_private_key(io.StringIO(text.strip() + "\n"))
        except paramiko.PasswordRequiredException as error:
            hint = "a key without one: ssh-keygen -p -N ''"
            raise Unsupported("the key has a passphrase", where="ssh_private_key", hint=hint) from error
        except (SSHException, ValueError, IndexError, TypeError):
            continue
    raise Unsupported("it is no private key", where="ssh_private_key", hint="OpenSSH's format: ssh-keygen -t ed25519")


class _Accepted(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Nobody knows the key of a machine that was installed just now."""


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
