"""Whether the simulated site can run on this machine."""

import os
import subprocess
from functools import cache

from tests.lab.network import LabNetwork
from tests.lab.packages import missing_commands

NETWORKS_OF_TESTS = "hst"  # what their names begin with


@cache
def why_not() -> str:
    """The reason why it can't, "" when it can."""
    if os.geteuid() != 0:
        return "the simulated site needs root for its network"
    if missing := missing_commands():
        return f"the simulated site needs {', '.join(missing)}"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return f"no network namespaces here: {probe.stderr.strip()}" if probe.returncode else ""


def network_for_tests(letter: str, number: int) -> LabNetwork:
    """A network for tests, another one in each process of pytest-xdist. `number` is below 10, for each use its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return LabNetwork(f"{NETWORKS_OF_TESTS}{letter}{worker}", f"10.99.{60 + 10 * worker + number}.0/24")
