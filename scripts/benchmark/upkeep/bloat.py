"""A table's bloat, from the server's statistics."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, text

from reconciler.store.open_index import OPEN_INDEX

_FLUSH = text("SELECT pg_stat_force_next_flush()")
_UPDATES = text(
    "SELECT n_tup_upd AS updates, n_tup_hot_upd AS in_place FROM pg_stat_user_tables"
    " WHERE relid = to_regclass(:table)"
)
_BYTES = text("SELECT pg_relation_size(to_regclass(:relation))")


@dataclass(frozen=True, kw_only=True)
class Updates:
    """The number of updates of a table, and of those that touched no index (HOT)."""

    updates: int
    in_place: int

    def __sub__(self, earlier: Self) -> "Updates":
        return Updates(
            updates=self.updates - earlier.updates, in_place=self.in_place - earlier.in_place
        )

    @property
    def percent_in_place(self) -> float:
        """The share of those that touched no index."""
        return 100 * self.in_place / self.updates if self.updates else 0.0


def read_updates(connection: Connection, table: str) -> Updates:
    """Read the counts, with all that this session has done."""
    connection.execute(_FLUSH)
    return Updates(**connection.execute(_UPDATES, {"table": table}).mappings().one())


def table_bytes(connection: Connection) -> int:
    """Read the size of `orders` without its indexes."""
    return int(connection.execute(_BYTES, {"relation": "orders"}).scalar_one())


def index_bytes(connection: Connection) -> int:
    """Read the size of the index of open orders."""
    return int(connection.execute(_BYTES, {"relation": OPEN_INDEX}).scalar_one())
