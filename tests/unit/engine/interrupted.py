"""A program that runs a parent and two children by the local engine, to be sent signals: FOLDER [FILE]."""

import json
import sys
from pathlib import Path

from tests.unit.engine.family import child, parent
from tests.unit.engine.running import Site


def main(path: Path, exit_waits_for: str) -> None:
    site = Site(path)
    site.secrets.mkdir()
    workflow = parent("a b", notes=site.notes, stops=True)
    run = site.run(workflow, child(exit_waits_for=exit_waits_for))
    statuses = [run.root["status"], *(each["status"] for each in run.children)]
    print(json.dumps([[status["phase"], status.get("message", "")] for status in statuses]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
