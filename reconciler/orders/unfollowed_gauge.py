"""The gauge of rows that look open, but that we do not reconcile."""

import time
from collections.abc import Callable
from functools import partial

from reconciler.orders.periodic_query import MAX_SECONDS, PeriodicQuery
from reconciler.store.coverage import measure_coverage
from reconciler.store.user_table import UserTable


class UnfollowedGauge:
    """Counts rows with an unknown status or without an external id, and keeps the last count."""

    def __init__(
        self,
        database_url: str,
        table: UserTable,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._query = PeriodicQuery(
            database_url,
            partial(measure_coverage, table=table, timeout_seconds=MAX_SECONDS),
            monotonic=monotonic,
        )
        self._rows = 0

    def read(self) -> int:
        """Return the number of these rows; the last count if they cannot be counted now."""
        following = self._query.run_if_due()
        if following is not None:
            self._rows = following.not_followed
        return self._rows
