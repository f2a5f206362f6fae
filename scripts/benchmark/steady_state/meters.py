"""What the server has written so far: the log, the indexes of `orders`, the updates of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from reconciler.store.database import Database
from scripts.benchmark.upkeep.bloat import Updates, read_updates

_LOG_POSITION = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
_INDEX_SIZES = text(
    "SELECT indexrelid::regclass::text AS name, pg_relation_size(indexrelid) AS bytes"
    " FROM pg_index WHERE indrelid IN (to_regclass('orders'), to_regclass(:confirmed)) ORDER BY 1"
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The meters at one time.

    Attributes:
        log_bytes: The position in the write-ahead log.
        index_bytes: The size of each index of `orders`, and of the table that a confirm writes, by
            name.
        updates: The updates of the table that a confirm writes, so far.
    """

    log_bytes: int
    index_bytes: Mapping[str, int]
    updates: Updates

    def growth_since(self, earlier: "Reading") -> Mapping[str, int]:
        """Return the bytes by which each index has grown."""
        return {name: size - earlier.index_bytes[name] for name, size in self.index_bytes.items()}


def read_meters(database: Database, confirmed: str = "orders") -> Reading:
    """Read them; `confirmed` is the table that a confirm writes."""
    with database.autocommit() as connection:
        sizes = connection.execute(_INDEX_SIZES, {"confirmed": confirmed})
        return Reading(
            updates=read_updates(connection, confirmed),
            log_bytes=int(connection.execute(_LOG_POSITION).scalar_one()),
            index_bytes={row.name: row.bytes for row in sizes},
        )
