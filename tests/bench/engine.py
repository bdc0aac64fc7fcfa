"""What one step costs in the local engine, beside Hera's runner started cold for each."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hera.workflows import Steps, Workflow

from tests.bench.page import Part, Row
from tests.unit.engine.example_steps import greet
from tests.unit.engine.running import Site, step

STEPS = 200
COLD_STEPS = 5


def measure() -> Part:
    """Seconds a step, the same trivial step both ways."""
    warm_s, cold_s = _costs()
    row = Row(
        f"a trivial step, {STEPS} of them in one fan-out",
        f"{warm_s * 1000:.0f} ms a step in the local engine",
        f"{cold_s * 1000:.0f} ms a step by `python -m hera.workflows.runner`, one after the other",
        f"{cold_s / warm_s:.0f} times faster",
    )
    return Part("The local engine", [row])


def _costs() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "secrets").mkdir()
        with Workflow(name="bench", entrypoint="main") as workflow, Steps(name="main"):
            step(greet, with_items=[str(number) for number in range(STEPS)], name="{{item}}")
        started = time.perf_counter()
        Site(folder).run(workflow)
        warm_s = (time.perf_counter() - started) / STEPS
        inputs = folder / "inputs.json"
        inputs.write_text(json.dumps([{"name": "name", "value": "x"}, {"name": "times", "value": "2"}]))
        runner = [
            sys.executable,
            "-m",
            "hera.workflows.runner",
            "-e",
            "tests.unit.engine.example_steps:greet",
            str(inputs),
        ]
        environment = {**os.environ, "hera__outputs_directory": str(folder / "outputs")}
        started = time.perf_counter()
        for _ in range(COLD_STEPS):
            subprocess.run(runner, check=True, capture_output=True, env=environment)
        return warm_s, (time.perf_counter() - started) / COLD_STEPS
