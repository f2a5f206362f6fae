"""Count open rows that name the same order at the exchange: each of its fills is written to each.

We cannot know which of the rows is right, so all are written as the exchange says, and a person is
told. The cost is bounded: up to MAX_READ open rows are read, for up to MAX_SECONDS.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from reconciler.store.best_effort import (
    MAX_SECONDS,
    fetch_before_timeout,
    set_statement_timeout,
)
from reconciler.store.user_table import UserTable, pyformat

MAX_READ = 200_000
MAX_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class DuplicateOrder:
    """An order at the exchange, and the number of open rows that name it."""

    symbol: str
    external_order_id: str
    rows: int

    def __str__(self) -> str:
        return f"{self.external_order_id[:40]} of {self.symbol[:40]} ({self.rows:,} rows)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicates:
    """The numbers of duplicate open rows and of the orders that they name.

    Rows are duplicates if they name the same order. `most` has the orders with the most rows.
    `is_partial` is True if there are more open rows than were read.
    """

    rows: int
    orders: int
    most: tuple[DuplicateOrder, ...]
    is_partial: bool


def measure_duplicates(
    connection: Connection, table: UserTable, *, timeout_seconds: float = MAX_SECONDS
) -> Duplicates | None:
    """Count duplicates; None if that takes too long. `connection` is in a transaction."""
    set_statement_timeout(connection, timeout_seconds)
    found = fetch_before_timeout(connection, _find(table), {"most": MAX_READ, "named": MAX_NAMED})
    if found is None:
        return None
    most = tuple(
        DuplicateOrder(symbol=symbol, external_order_id=external_order_id, rows=rows)
        for symbol, external_order_id, rows, *_ in found
        if external_order_id is not None
    )
    *_, rows, orders, looked_at = found[0]
    return Duplicates(rows=rows, orders=orders, most=most, is_partial=looked_at >= MAX_READ)


def _find(table: UserTable) -> str:
    """Return the statement that finds duplicates, for the driver."""
    listed = pyformat(
        f"""
        SELECT coalesce(CAST({table.symbol} AS text), '') AS symbol,
            CAST({table.external_order_id} AS text) AS external_order_id
        FROM {table.rows} WHERE {table.open_orders}
        """  # noqa: S608 - quoted, or checked with the configuration file
    )
    return f"WITH listed AS ({listed} LIMIT %(most)s){_COUNT_LISTED}"


_COUNT_LISTED = """
    , duplicates AS (
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
        SELECT * FROM duplicates ORDER BY rows DESC, symbol, external_order_id LIMIT %(named)s
    ) AS named ON true
"""
