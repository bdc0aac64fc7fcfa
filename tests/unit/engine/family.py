"""A workflow whose step creates children, and the template of the children: the shape of install-hosts."""

from pathlib import Path

from hera.workflows import Parameter, Steps, Workflow, WorkflowTemplate
from hera.workflows.models import Mutex, Synchronization

from tests.unit.engine.example_steps import note, roll_out, stop_children, wait_for_file
from tests.unit.engine.running import step

NEVER = Path("/nonexistent")


def child(*, mutex: str = "", exit_waits_for: str = "") -> WorkflowTemplate:
    """Notes "begin NAME", waits for a file, and whatever happens notes "bye NAME" and "end NAME"."""
    file = {"file": "{{workflow.parameters.file}}"}
    with WorkflowTemplate(
        name="child",
        entrypoint="main",
        on_exit="bye",
        arguments=[Parameter(name=key) for key in ("name", "file", "until")],
        synchronization=Synchronization(mutexes=[Mutex(name=mutex)]) if mutex else None,
    ) as template:
        with Steps(name="main"):
            until = "{{workflow.parameters.until}}"
            step(wait_for_file, line="begin {{workflow.parameters.name}}", until=until, **file)
        with Steps(name="bye"):
            step(note, "bye-1", line="bye {{workflow.parameters.name}}", **file)
            if exit_waits_for:
                step(wait_for_file, "bye-waits", line="exit handler waits", until=exit_waits_for, **file)
            step(note, "bye-2", line="end {{workflow.parameters.name}}", **file)
    return template


def parent(names: str, *, notes: Path, until: Path = NEVER, leave: bool = False, stops: bool = False) -> Workflow:
    """Creates the children and waits for them, or leaves them; its exit handler stops them if it is told to."""
    with Workflow(name="run", entrypoint="main", on_exit="finish") as workflow:
        with Steps(name="main"):
            family = {"names": names, "template": "child", "file": str(notes), "until": str(until)}
            step(roll_out, run="run", leave="true" if leave else "false", **family)
        with Steps(name="finish"):
            if stops:
                step(stop_children, name="run")
            step(note, file=str(notes), line="parent ends {{workflow.status}}")
    return workflow
