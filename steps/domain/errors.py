"""Every way in which herasphere says no.

HerasphereError
├── ConfigError     2   faults in what the user wrote, all of them at once; nothing was touched
├── Refused         3   a guard said no; nothing was touched
├── NotFound       10   the thing named does not exist where it was looked for
├── Conflict       11   another run, or something not ours, holds the thing
├── AccessDenied   12   user name, password or licence was not accepted
├── TimedOut       13   the evidence waited for never came; names the stage
├── VerifyFailed   14   what is there is not what was asked for
├── Unsupported    15   the peer cannot do it; no retry will help
└── Unavailable    75   passes by itself (connection lost, 503): the one error which is retried

The number is the exit code of a step. `hera` itself exits 0, 1, 2 or 3 (README, "Exit codes").
"""

from collections.abc import Sequence
from dataclasses import dataclass


class HerasphereError(Exception):
    """An expected failure: what went wrong, with which thing, and what to do next.

    what:  the cause, a sentence without full stop ("the BMC reports serial X, the table says Y")
    where: the thing it happened to ("esx01, BMC 10.0.0.11"); may be empty
    hint:  the next move for the person who reads it; never empty
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what} (hint: {self.hint})"


class Refused(HerasphereError):
    """A guard refused before anything was touched."""

    exit_code = 3


class NotFound(HerasphereError):
    exit_code = 10


class Conflict(HerasphereError):
    exit_code = 11


class AccessDenied(HerasphereError):
    exit_code = 12


class TimedOut(HerasphereError):
    exit_code = 13


class VerifyFailed(HerasphereError):
    exit_code = 14


class Unsupported(HerasphereError):
    exit_code = 15


class Unavailable(HerasphereError):
    """Passes by itself. Exit code 75 (EX_TEMPFAIL) is what the workflows' retry expression looks for."""

    exit_code = 75


@dataclass(frozen=True, order=True)
class Fault:
    """One fault in a file the user wrote; line and column count from 1, 0 where the file has no such place."""

    file: str
    line: int
    column: int
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message} ({self.hint})"


class ConfigError(HerasphereError):
    """What the user wrote has faults; `faults` holds all of them, in the order of the file."""

    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        count = len(self.faults)
        super().__init__(
            f"{count} fault{'s' if count != 1 else ''} in the configuration", hint="correct the lines named"
        )

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)
