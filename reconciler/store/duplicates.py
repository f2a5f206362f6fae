"""Open rows that name the same order at the exchange: one of its fills is written to each of them.

That is written as the exchange says, since nobody here knows which of them is meant; somebody must
be told. The cost is bounded: only open rows are read, a number of them at most, in little time.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from reconciler.store.best_effort import fetch_before_timeout, set_statement_timeout
from reconciler.store.stale_index import OPEN_ORDERS

MOST_READ = 200_000
MOST_NAMED = 5
MOST_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DuplicateOrder:
    """An order of the exchange's, and how many open rows name it."""

    symbol: str
    external_order_id: str
    rows: int

    def __str__(self) -> str:
        return f"{self.external_order_id[:40]} of {self.symbol[:40]} ({self.rows:,} rows)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicates:
    """How many open rows name an order that another names too, and how many such orders there are.

    `most` are those named most often. `is_partial`: there are more open rows than were looked at.
    """

    rows: int
    orders: int
    most: tuple[DuplicateOrder, ...]
    is_partial: bool


def measure_duplicates(
    connection: Connection, *, most_seconds: float = MOST_SECONDS
) -> Duplicates | None:
    """Count them; None where that takes too long. `connection` is in a transaction."""
    set_statement_timeout(connection, most_seconds)
    found = fetch_before_timeout(connection, _FIND, {"most": MOST_READ, "named": MOST_NAMED})
    if found is None:
        return None
    most = tuple(
        DuplicateOrder(symbol=symbol, external_order_id=external_order_id, rows=rows)
        for symbol, external_order_id, rows, *_ in found
        if external_order_id is not None
    )
    *_, rows, orders, looked_at = found[0]
    return Duplicates(rows=rows, orders=orders, most=most, is_partial=looked_at >= MOST_READ)


_FIND = text(
    f"""
    WITH listed AS (
        SELECT coalesce(CAST(symbol AS text), '') AS symbol,
            CAST(external_order_id AS text) AS external_order_id
        FROM orders WHERE {OPEN_ORDERS} LIMIT :most
    ), duplicates AS (
        SELECT symbol, external_order_id, count(*) AS rows FROM listed
        GROUP BY symbol, external_order_id HAVING count(*) > 1
    ), counted AS (
        SELECT coalesce(sum(rows), 0)::bigint AS rows, count(*) AS orders,
            (SELECT count(*) FROM listed) AS looked_at
        FROM duplicates
    )
    SELECT named.symbol, named.external_order_id, named.rows,
        counted.rows, counted.orders, counted.looked_at
    FROM counted LEFT JOIN LATERAL (
        SELECT * FROM duplicates ORDER BY rows DESC, symbol, external_order_id LIMIT :named
    ) AS named ON true
    """  # noqa: S608 - put together from constants
)
