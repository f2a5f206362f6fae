"""The database's clock, told without asking the database each time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class DatabaseClock:
    """Tells the database's time as last heard, plus what has passed since by our own clock.

    It is never ahead: what it was told was true at the latest when it was told. So a report is
    never taken for newer than it is, however wrong this host's clock may be.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.sync(datetime.now(UTC))

    def sync(self, database_now: datetime) -> None:
        """Set the clock to what the database just said."""
        self._heard = (database_now, self._monotonic())  # One value: another thread may read it.

    def __call__(self) -> datetime:
        """Return now, by the database's clock."""
        then, heard_at = self._heard
        return then + timedelta(seconds=self._monotonic() - heard_at)
