"""What one step costs in the local engine, beside Hera's runner started cold for each."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hera.workflows import Steps, Workflow

from tests.unit.engine.example_steps import greet
from tests.unit.engine.running import Site, step

STEPS = 200
COLD_STEPS = 5


@dataclass(frozen=True)
class Costs:
    """Seconds a step."""

    steps: int
    warm_s: float
    cold_s: float


def engine_costs() -> Costs:
    """The same trivial step both ways."""
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
        return Costs(STEPS, warm_s, (time.perf_counter() - started) / COLD_STEPS)
