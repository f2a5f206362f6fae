"""Ask something about the whole table now and then, next to the work."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

from reconciler.store.best_effort import query_on_own_connection

EVERY_SECONDS = 600.0
MOST_SECONDS = 1.0
"""How long such a query may take: the other gauges wait for it."""

T = TypeVar("T")


class PeriodicQuery(Generic[T]):
    """Asks once in `EVERY_SECONDS`, over a connection of its own: planning does not wait."""

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
        self._asked_at: float | None = None

    def ask_if_due(self) -> T | None:
        """Return what was found now; None where it is not due yet, or cannot be found out."""
        now = self._monotonic()
        if self._asked_at is not None and now - self._asked_at < EVERY_SECONDS:
            return None
        self._asked_at = now
        return query_on_own_connection(self._database_url, self._query)
