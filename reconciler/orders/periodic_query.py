"""Run a query about the whole table from time to time, next to the work."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

from reconciler.store.best_effort import query_on_own_connection

INTERVAL_SECONDS = 600.0
MAX_SECONDS = 1.0
"""The time limit of such a query: the other gauges wait for it."""

T = TypeVar("T")


class PeriodicQuery(Generic[T]):
    """Runs a query once in `INTERVAL_SECONDS`, over its own connection: planning does not wait."""

    def __init__(
        self,
        database_url: str,
        query: Callable[[Connection], T | None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database_url = database_url
        self._query = query
        self._monotonic = monotonic
        self._last_run_at: float | None = None

    def run_if_due(self) -> T | None:
        """Return the query's result; None if it is not due or failed."""
        now = self._monotonic()
        if self._last_run_at is not None and now - self._last_run_at < INTERVAL_SECONDS:
            return None
        self._last_run_at = now
        return query_on_own_connection(self._database_url, self._query)
