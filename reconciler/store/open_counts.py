"""Count the open orders by what stands in a column: a bounded number, in a bounded time."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from reconciler.store.best_effort import (
    MAX_SECONDS,
    fetch_before_timeout,
    set_statement_timeout,
)
from reconciler.store.user_table import UserTable, pyformat

MAX_READ = 1_000_000
MAX_VALUES = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenCounts:
    """The number of open orders by value, the most frequent first; None for null.

    `is_partial` is True if there are more open orders, or more values, than were counted.
    """

    by_value: Mapping[str | None, int]
    is_partial: bool

    @property
    def orders(self) -> int:
        """The number of open orders counted."""
        return sum(self.by_value.values())


def count_open_orders(
    connection: Connection,
    table: UserTable,
    expression: str,
    *,
    timeout_seconds: float = MAX_SECONDS,
) -> OpenCounts | None:
    """Count by `expression`, SQL over the table; None if that takes too long.

    `connection` is in a transaction. Later statements of it have the same limit of time.
    """
    set_statement_timeout(connection, timeout_seconds)
    listed = pyformat(
        f"SELECT CAST({expression} AS text) AS value FROM {table.rows} WHERE {table.open_orders}"  # noqa: S608 - quoted, or checked with the configuration file
    )
    found = fetch_before_timeout(
        connection,
        f"WITH listed AS ({listed} LIMIT %(most)s){_COUNT_LISTED}",
        {"most": MAX_READ + 1, "values": MAX_VALUES},
    )
    if found is None:
        return None
    counts = {value: orders for value, orders, _ in found}
    read = found[0][2] if found else 0
    is_partial = read > MAX_READ or sum(counts.values()) < read
    return OpenCounts(by_value=counts, is_partial=is_partial)


_COUNT_LISTED = """
    SELECT value, count(*) AS orders, CAST(sum(count(*)) OVER () AS bigint) AS read
    FROM listed GROUP BY value ORDER BY orders DESC, value LIMIT %(values)s
"""
