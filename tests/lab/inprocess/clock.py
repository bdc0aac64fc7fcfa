"""A server's clock, right or wrong."""

from datetime import UTC, datetime, timedelta


class HostClock:
    """UTC as the server believes it is.

    offset: how far it is ahead
    reset_to: with an empty CMOS battery, the date at which it starts whenever the server is powered on
    """

    def __init__(self, *, offset: timedelta = timedelta(0), reset_to: datetime | None = None) -> None:
        self.offset = offset
        self._reset_to = reset_to

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def power_on(self) -> None:
        if self._reset_to is not None:
            self.set(self._reset_to)

    def set(self, now: datetime) -> None:
        """Step the clock, as NTP or a person does."""
        self.offset = now - datetime.now(UTC)
