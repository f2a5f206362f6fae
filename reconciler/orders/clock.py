"""The database's clock, kept by the worker without a query for each reading."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class DatabaseClock:
    """Returns the database's last known time plus what has passed since on our monotonic clock.

    It is never ahead of the database: a time that the database sends is already past when it
    arrives. So no report looks newer than it is, even if this host's clock is wrong.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.sync(datetime.now(UTC))

    def sync(self, database_now: datetime) -> None:
        """Set the clock to the time that the database has just sent."""
        # One value, not two attributes: another thread may read it.
        self._synced = (database_now, self._monotonic())

    def __call__(self) -> datetime:
        """Return the database's time now."""
        database_then, synced_at = self._synced
        return database_then + timedelta(seconds=self._monotonic() - synced_at)
