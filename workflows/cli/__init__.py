"""The `hera` command: one file per group of commands. Only here is anything printed, and only here the program exits.

Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 the run failed for some host, 2 wrong usage or configuration
(nothing touched), 3 refused by a guard (nothing touched).
"""

import os
import sys

import typer

from steps.domain.errors import HerasphereError, Refused
from workflows.cli import check, config, deploy, doctor, logs, media, ova, retry, run, runs, schedule, secrets, submit

app = typer.Typer(
    name="hera",
    help="The vSphere life cycle as workflows: ESXi on bare metal, images, appliances.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
check.add_to(app)
run.add_to(app)
submit.add_to(app)
runs.add_to(app)
retry.add_to(app)
logs.add_to(app)
doctor.add_to(app)
deploy.add_to(app)
app.add_typer(schedule.app, name="schedule")
app.add_typer(media.app, name="media")
app.add_typer(ova.app, name="ova")
app.add_typer(secrets.app, name="secrets")
app.add_typer(config.app, name="config")


def main() -> None:
    """Run the command line; an expected failure is one clear message, never a traceback."""
    _have_standard_streams()
    try:
        app()
    except HerasphereError as error:
        print(error, file=sys.stderr)
        sys.exit(3 if isinstance(error, Refused) else 2)
    except BrokenPipeError:  # `hera render ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        hint = "look at the path, its permissions and the free space"
        print(f"{error.filename or 'output'}: {error.strerror or error} (hint: {hint})", file=sys.stderr)
        sys.exit(1)


def _have_standard_streams() -> None:
    """What the caller closed reads as empty and writes to nowhere; else the next file opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
