"""`make bench`: what is claimed to be fast, beside a named peer in the same run; written to docs/benchmarks.md.

With names of parts (`python -m tests.bench argo`) only these are measured, and the page keeps the others' figures.
"""

import shutil
import sys
from collections.abc import Callable

from tests.bench import argo, builds, engine, exports, isos, rack
from tests.bench.page import PAGE, write
from tests.e2e import images
from tests.lab.kube.fixture import take_down_unused
from tests.lab.kube.fixture import why_not as why_no_cluster
from tests.lab.vcenter.fixture import why_not as why_no_vcenter

PARTS = {
    "isos": isos.measure,
    "engine": engine.measure,
    "exports": exports.measure,
    "builds": builds.measure,
    "argo": argo.measure,
    "rack": rack.measure,
}
NEEDS: dict[str, Callable[[], str]] = {
    "argo": why_no_cluster,
    "rack": why_no_cluster,
    "exports": why_no_vcenter,
    "builds": lambda: images.WHY_NOT,
}


def main(names: list[str]) -> None:
    if unknown := set(names) - PARTS.keys():
        sys.exit(f"no such part: {', '.join(unknown)} (one of {', '.join(PARTS)})")
    if missing := [tool for tool in isos.NEEDS if shutil.which(tool) is None]:
        sys.exit(f"make bench needs {' and '.join(missing)}: make packages")
    for name in names or PARTS:
        if name in NEEDS and (reason := NEEDS[name]()):
            print(f"{name} is left out: {reason}", file=sys.stderr)
            continue
        write({name: PARTS[name]()})
    take_down_unused()
    print(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
