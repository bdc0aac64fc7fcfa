"""Show a run on the cluster until it has ended; who leaves does not stop it."""

import sys
from collections.abc import Sequence

import typer

from steps.domain.outcome import mapping
from workflows.backends.argo.backend import Backend, Manifest
from workflows.backends.argo.follow import Following
from workflows.backends.local_run import exit_code_of
from workflows.cli.view import view_for
from workflows.image_order import IMAGES

EXIT_LEFT = 130  # as a shell says of what Ctrl-C has ended
ENDS = {0: "done", 1: "failed", 2: "what was given has faults, nothing was touched", 3: "refused, nothing was touched"}


def follow(backend: Backend, run: str, *, hosts: Sequence[str] = (), image: str = "", as_json: bool) -> int:
    """The run's exit code: 0 done, 1 failed for some host, 2 faults in what was given, 3 refused.

    hosts, image: what the run is about, if that is known
    """
    following = Following(backend, run)
    about_image = image or (run if not hosts and _builds_an_image(backend.get(run)) else "")
    try:
        with view_for(as_json=as_json, hosts=list(hosts), image=about_image) as view:
            for event in following.events():
                view.show(event)
    except KeyboardInterrupt:
        print(f"\n{run} goes on: `hera watch {run}` joins it again, `hera stop {run}` ends it", file=sys.stderr)
        raise typer.Exit(EXIT_LEFT) from None
    ended = [child for child in following.children if child.get("status", {}).get("phase")]
    code = exit_code_of(following.root, ended)
    was_stopped = code == 1 and following.root.get("spec", {}).get("shutdown")
    print(f"{run}: {'stopped' if was_stopped else ENDS[code]}", file=sys.stderr)
    if not about_image:
        print(f"  hera report {run} -o DIR   fetches its report", file=sys.stderr)
    return code


def _builds_an_image(workflow: Manifest) -> bool:
    return mapping(workflow["spec"].get("workflowTemplateRef")).get("name") in IMAGES
