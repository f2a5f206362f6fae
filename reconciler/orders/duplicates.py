"""Tell of open rows that name the same order at the exchange: once, and as a gauge."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby

import structlog

from reconciler.orders.periodic_query import MOST_SECONDS, PeriodicQuery
from reconciler.store.duplicates import DuplicateOrder, measure_duplicates
from reconciler.workload import Chunk

MOST_REMEMBERED = 10_000
MOST_TOLD_AT_ONCE = 20

log = structlog.get_logger(__name__)


class DuplicatesGauge:
    """Looks at each page that is planned, and now and then at all open rows."""

    def __init__(
        self, database_url: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._query = PeriodicQuery(
            database_url,
            partial(measure_duplicates, most_seconds=MOST_SECONDS),
            monotonic=monotonic,
        )
        self._rows = 0
        self._told: dict[tuple[str, str], None] = {}

    def note(self, chunks: Iterable[Chunk]) -> None:
        """Tell of what stands on one page: neighbours of a run that are the same order."""
        self._tell(duplicate for chunk in chunks for duplicate in duplicates_in(chunk))

    def read(self) -> int:
        """Return how many open rows name an order that another names; the last count stays."""
        found = self._query.ask_if_due()
        if found is not None:
            self._rows = found.rows
            self._tell(found.most)
        return self._rows

    def _tell(self, duplicates: Iterable[DuplicateOrder]) -> None:
        told = 0
        for one in duplicates:
            key = (one.symbol, one.external_order_id)
            if key in self._told or told >= MOST_TOLD_AT_ONCE:
                continue
            if len(self._told) >= MOST_REMEMBERED:
                self._told.clear()
            self._told[key] = None
            told += 1
            log.warning(
                "orders.duplicate_external_id",
                symbol=one.symbol,
                external_order_id=one.external_order_id,
                rows=one.rows,
            )


def duplicates_in(chunk: Chunk) -> Iterable[DuplicateOrder]:
    """Return the orders that several rows of a run name: sorted by id, they are neighbours."""
    items = chunk.items
    # Nearly every run has none, and this costs a tenth of grouping them.
    if len({item.external_order_id for item in items}) == len(items):
        return
    for external_order_id, group in groupby(items, key=lambda item: str(item.external_order_id)):
        rows = len(list(group))
        if rows > 1:
            yield DuplicateOrder(symbol=chunk.key, external_order_id=external_order_id, rows=rows)
