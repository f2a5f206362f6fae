"""Delete the sync times of orders that the application has ended, from time to time."""

import time
from collections.abc import Callable

from sqlalchemy import Connection

from reconciler.store.side_table import MAX_DELETED, delete_abandoned_times
from reconciler.store.user_table import UserTable

INTERVAL_SECONDS = 3600.0


class SyncTimesCleanup:
    """Deletes once in `INTERVAL_SECONDS`, and at each call while more is left."""

    def __init__(
        self, table: UserTable, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table
        self._monotonic = monotonic
        self._due_at: float | None = None

    def run_if_due(self, connection: Connection) -> None:
        """Delete up to MAX_DELETED times, if that is due."""
        now = self._monotonic()
        if self._due_at is not None and now < self._due_at:
            return
        is_done = delete_abandoned_times(connection, self._table) < MAX_DELETED
        self._due_at = now + (INTERVAL_SECONDS if is_done else 0.0)
