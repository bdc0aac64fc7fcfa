"""Logins of an emulated BMC: Basic authentication, and Redfish sessions in a small number of slots."""

import base64
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Session:
    identity: str
    token: str
    used_at: float = field(default_factory=time.monotonic)


class Sessions:
    """At most `slots` sessions; one ends by logout, after `idle_s` without use, or when a test expires it."""

    def __init__(self, *, username: str, password: str, slots: int, idle_s: float, basic: bool) -> None:
        self._login = (username, password)
        self._slots = slots
        self._idle_s = idle_s
        self._basic = basic
        self._open: dict[str, Session] = {}
        self._count = 0
        self._lock = threading.Lock()

    def accepts(self, username: object, password: object) -> bool:
        return (str(username), str(password)) == self._login

    def open(self) -> Session | None:
        """A new session, or None when no slot is free."""
        with self._lock:
            self._forget_idle()
            if len(self._open) >= self._slots:
                return None
            self._count += 1
            session = Session(str(self._count), secrets.token_hex(16))
            self._open[session.identity] = session
            return session

    def close(self, identity: str) -> bool:
        with self._lock:
            return self._open.pop(identity, None) is not None

    def expire(self) -> None:
        """End every session, as an idle time-out or a restart of the BMC does."""
        with self._lock:
            self._open.clear()

    @property
    def identities(self) -> list[str]:
        with self._lock:
            self._forget_idle()
            return list(self._open)

    def admits(self, authorization: str, token: str) -> bool:
        """Whether a request with these headers is from someone logged in."""
        if token:
            return self._admits_token(token)
        if not self._basic or not authorization.startswith("Basic "):
            return False
        try:
            username, _, password = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except ValueError:
            return False
        return self.accepts(username, password)

    def _admits_token(self, token: str) -> bool:
        with self._lock:
            self._forget_idle()
            for session in self._open.values():
                if hmac.compare_digest(session.token.encode(), token.encode()):
                    session.used_at = time.monotonic()
                    return True
        return False

    def _forget_idle(self) -> None:
        oldest = time.monotonic() - self._idle_s
        self._open = {key: session for key, session in self._open.items() if session.used_at >= oldest}
