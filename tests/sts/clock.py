"""The stand-in's clock: the real time, moved or stopped as the test says."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Runs as the real time does at first, so that tokens of a real API server are neither old nor of the future."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        """Returns the time in UTC."""
        return (self._stopped_at or datetime.now(UTC)) + self._ahead

    def advance(self, by: timedelta) -> None:
        self._ahead += by

    def stop_at(self, moment: datetime) -> None:
        """Makes it exactly this time, until the next `advance` or `stop_at`."""
        self._stopped_at, self._ahead = moment, timedelta()
