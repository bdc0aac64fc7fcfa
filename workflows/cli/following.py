"""Show a run on the cluster until it has ended; who leaves does not stop it."""

import sys
from collections.abc import Sequence

import typer

from workflows.backends.argo.backend import Backend
from workflows.backends.argo.follow import Following
from workflows.backends.local_run import exit_code_of
from workflows.cli.view import view_for

EXIT_LEFT = 130  # as a shell says of what Ctrl-C has ended
ENDS = {0: "done", 1: "failed", 2: "the table has faults, nothing was touched", 3: "refused, nothing was touched"}


def follow(backend: Backend, run: str, *, hosts: Sequence[str] = (), as_json: bool) -> int:
    """The run's exit code: 0 done, 1 failed for some host, 2 faults in the table, 3 refused."""
    following = Following(backend, run)
    try:
        with view_for(as_json=as_json, hosts=list(hosts)) as view:
            for event in following.events():
                view.show(event)
    except KeyboardInterrupt:
        print(f"\n{run} goes on: `hera watch {run}` joins it again, `hera stop {run}` ends it", file=sys.stderr)
        raise typer.Exit(EXIT_LEFT) from None
    ended = [child for child in following.children if child.get("status", {}).get("phase")]
    code = exit_code_of(following.root, ended)
    was_stopped = code == 1 and following.root.get("spec", {}).get("shutdown")
    print(f"{run}: {'stopped' if was_stopped else ENDS[code]}", file=sys.stderr)
    print(f"  hera report {run} -o DIR   fetches its report", file=sys.stderr)
    return code
