"""Ask before disks are erased: the same question wherever the run will happen."""

import sys

import typer

from steps.domain.plan import InstallPlan, refuse_protected
from workflows.cli.tables import plan_text


def confirm(plan: InstallPlan, *, yes: bool, asks: bool = True) -> None:
    """Show the plan, refuse protected hosts, and go on only if the person types the number of hosts.

    yes: do not ask; without a terminal it is needed. asks: False where nothing will be erased
    """
    refuse_protected(plan)
    print(plan_text(plan), file=sys.stderr)
    if yes or not asks:
        return
    count = len(plan.hosts)
    if not sys.stdin.isatty():
        raise typer.BadParameter("not asked before erasing disks, as this is no terminal", param_hint="--yes")
    print(
        f"\nThe disks named above will be erased. Type {count} to install, anything else to stop: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip() != str(count):
        print("nothing was touched", file=sys.stderr)
        raise typer.Exit(3)
