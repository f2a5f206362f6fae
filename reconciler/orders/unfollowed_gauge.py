"""The gauge of rows that look open, but that we do not reconcile."""

import time
from collections.abc import Callable
from functools import partial

import structlog

from reconciler.orders.periodic_query import MAX_SECONDS, PeriodicQuery
from reconciler.store.coverage import Coverage
from reconciler.store.coverage_count import measure_coverage
from reconciler.store.user_table import UserTable

log = structlog.get_logger(__name__)


class UnfollowedGauge:
    """Counts rows with an unknown status or without an external id, and keeps the last count.

    Logs a status that appears for the first time: what was there at the start, the start has named.
    """

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
        self._words: frozenset[str] | None = None

    def read(self) -> int:
        """Return the number of these rows; the last count if they cannot be counted now."""
        following = self._query.run_if_due()
        if following is not None:
            self._rows = following.not_followed
            self._warn_of_new_words(following)
        return self._rows

    def _warn_of_new_words(self, following: Coverage) -> None:
        words = frozenset({**following.likely_open, **following.left_out})
        known, self._words = self._words, words if self._words is None else self._words | words
        if known is not None and not words <= known:
            log.warning(
                "orders.not_followed",
                orders=following.not_followed,
                new=sorted(words - known),
                reason="; ".join(following.remarks),
                hint="say in [orders.statuses] what the word means, and send HUP to the service",
            )
