"""What can go wrong at an emulated BMC, as data: faults of single requests, and bad behaviour that lasts."""

import threading
from dataclasses import dataclass, field


@dataclass
class Fault:
    """What befalls the requests whose method and path match, `times` times, and then no more.

    In this order: wait for `hold` (a test lets go of it) and `delay_s`; then `drop` closes the connection without an
    answer, before or after the request is obeyed; or `answer` is the status sent instead of obeying.
    """

    path: str = ""  # part of the path
    method: str = ""  # "" is any
    times: int = 1
    hold: threading.Event | None = None
    delay_s: float = 0.0
    drop: str = ""  # "before" or "after" the request is obeyed
    answer: int = 0
    message: str = "The service is temporarily unavailable."

    def hits(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method) and self.path in path


@dataclass
class Behaviour:
    """How this BMC falls short of the standard, or uses its freedom."""

    insert_is_task: bool = False  # 202 and a Task; inserted after `task_reads` reads of the slot or the task
    task_reads: int = 2
    task_failure: str = ""  # the Task's message; nothing is inserted then
    eject_swallowed: bool = False  # 204, and nothing happens
    stale_reads: int = 0  # so many reads of the slot after an eject still show the old medium
    boot_swallowed: bool = False  # 204, and the override stays as it is
    hidden: frozenset[str] = field(default_factory=frozenset)  # properties left out of every document
