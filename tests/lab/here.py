"""Whether the simulated site can run on this machine."""

import os
import subprocess
from functools import cache

from tests.lab.packages import missing_commands


@cache
def why_not() -> str:
    """The reason why it can't, "" when it can."""
    if os.geteuid() != 0:
        return "the simulated site needs root for its network"
    if missing := missing_commands():
        return f"the simulated site needs {', '.join(missing)}"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return f"no network namespaces here: {probe.stderr.strip()}" if probe.returncode else ""
