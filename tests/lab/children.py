"""Starting processes that end with this one, however it ends."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

# The kernel ends a child with the *thread* that started it, so that one thread starts all and lives as long as we do.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def start(
    command: Sequence[str],
    log: BinaryIO,
    *,
    pass_fds: Sequence[int] = (),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    outlives_us: bool = False,
) -> "subprocess.Popen[bytes]":
    """The running process, its output in the log; killed when this process dies unless it is to outlive it.

    env: in addition to this process' own
    """
    whole = list(command) if outlives_us else ["setpriv", "--pdeathsig", "KILL", *command]
    return _STARTER.submit(
        subprocess.Popen,
        whole,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=pass_fds,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        start_new_session=outlives_us,
    ).result()
