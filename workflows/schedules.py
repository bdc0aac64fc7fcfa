"""What the cluster starts by the clock: one row each. One that needs settings waits for `hera schedule resume`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Schedule:
    """A workflow of the catalog and its times.

    suspend: how it is made; what people do to it later stays
    """

    name: str
    workflow: str
    cron: str
    timezone: str = "Etc/UTC"
    suspend: bool = True
    kept_successes: int = 3
    kept_failures: int = 5
    parameters: Mapping[str, str] = field(default_factory=dict)


SCHEDULES = (
    # needs nothing: a host whose run was terminated has foreign media in it for half an hour at most
    Schedule("sweep", workflow="sweep", cron="*/30 * * * *", suspend=False, kept_successes=1),
)
