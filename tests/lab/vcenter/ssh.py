"""Commands in a guest by this machine's OpenSSH, with a password: it asks a program for it, as there is no terminal."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

OPTIONS = (
    "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=20",
    "PreferredAuthentications=password", "NumberOfPasswordPrompts=1",
)  # fmt: skip
PATIENCE_S = 120
LISTENS_WITHIN_S = 20


class Guest:
    """Somebody's account in a machine."""

    def __init__(self, folder: Path, address: str, password: str, *, user: str = "root") -> None:
        self._target = f"{user}@{address}"
        handle, name = tempfile.mkstemp(dir=folder, prefix="password-")
        os.close(handle)
        asked = Path(name)
        asked.write_text(f"#!/bin/sh\nprintf '%s\\n' '{password}'\n")
        asked.chmod(0o700)
        self._environment = {**os.environ, "SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"}

    def run(self, command: str, given: str = "") -> str:
        """What the command printed; it succeeded."""
        done = self._ssh("ssh", self._target, command, given=given)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def is_let_in(self) -> bool:
        return self._ssh("ssh", self._target, "true").returncode == 0

    def put(self, file: Path, path: str) -> None:
        """The file is at the path, sent by SFTP."""
        done = self._ssh("scp", str(file), f"{self._target}:{path}")
        if done.returncode:
            raise RuntimeError(done.stderr.strip())

    def _ssh(self, program: str, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Tried again while nobody listens yet: a machine tells its address before its SSH server is up."""
        options = [word for option in OPTIONS for word in ("-o", option)]
        end = time.monotonic() + LISTENS_WITHIN_S
        while True:
            done = subprocess.run(
                [program, *options, *words],
                input=given,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                env=self._environment,
                check=False,
            )
            if "Connection refused" not in done.stderr or time.monotonic() > end:
                return done
            time.sleep(0.3)


def why_not() -> str:
    """Why nothing can be run in a guest from here; empty if it can."""
    return "" if shutil.which("ssh") else "no OpenSSH client here (package openssh-client)"
