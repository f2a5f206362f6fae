"""The gauge of open rows that name the same order at the exchange; each order is logged once."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby

import structlog

from reconciler.orders.periodic_query import MAX_SECONDS, PeriodicQuery
from reconciler.store.duplicates import DuplicateOrder, measure_duplicates
from reconciler.store.user_table import UserTable
from reconciler.workload import Chunk

MAX_REMEMBERED = 10_000
MAX_LOGGED_AT_ONCE = 20

log = structlog.get_logger(__name__)


class DuplicatesGauge:
    """Finds duplicates on each planned page and, from time to time, among all open rows."""

    def __init__(
        self,
        database_url: str,
        table: UserTable,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._query = PeriodicQuery(
            database_url,
            partial(measure_duplicates, table=table, timeout_seconds=MAX_SECONDS),
            monotonic=monotonic,
        )
        self._rows = 0
        self._logged: set[tuple[str, str]] = set()

    def record(self, chunks: Iterable[Chunk]) -> None:
        """Log the duplicates of a planned page."""
        self._log(duplicate for chunk in chunks for duplicate in find_duplicates(chunk))

    def read(self) -> int:
        """Return the number of duplicate open rows; the last count if it is not due or failed."""
        found = self._query.run_if_due()
        if found is not None:
            self._rows = found.rows
            self._log(found.most)
        return self._rows

    def _log(self, duplicates: Iterable[DuplicateOrder]) -> None:
        logged = 0
        for duplicate in duplicates:
            key = (duplicate.symbol, duplicate.external_order_id)
            if key in self._logged or logged >= MAX_LOGGED_AT_ONCE:
                continue
            if len(self._logged) >= MAX_REMEMBERED:
                self._logged.clear()
            self._logged.add(key)
            logged += 1
            log.warning(
                "orders.duplicate_external_id",
                symbol=duplicate.symbol,
                external_order_id=duplicate.external_order_id,
                rows=duplicate.rows,
            )


def find_duplicates(chunk: Chunk) -> Iterable[DuplicateOrder]:
    """Return the orders that several rows of a chunk name; sorted by id, they are neighbours."""
    items = chunk.items
    # Nearly every chunk has none, and this costs a tenth of grouping them.
    if len({item.external_order_id for item in items}) == len(items):
        return
    for external_order_id, group in groupby(items, key=lambda item: str(item.external_order_id)):
        rows = len(list(group))
        if rows > 1:
            yield DuplicateOrder(symbol=chunk.key, external_order_id=external_order_id, rows=rows)
