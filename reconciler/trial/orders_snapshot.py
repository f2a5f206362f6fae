"""The table `orders_snapshot`: the rows of `orders` before each round of a measurement."""

from sqlalchemy import text

from reconciler.store.database import Database
from reconciler.store.side_table import read_side_table

_RESTORE = (
    "TRUNCATE orders, activity_log, reconciliation_holds, reconciliation_cycles",
    "INSERT INTO orders SELECT * FROM orders_snapshot",
)
_RESTORE_TIMES = (
    "TRUNCATE reconciliation_sync",
    "INSERT INTO reconciliation_sync SELECT id, last_synced_at FROM orders_snapshot",
)
"""Where there is the side table. Each row of the snapshot has a time."""

_MAY_CHECKPOINT = text("SELECT pg_has_role(current_user, 'pg_checkpoint', 'USAGE')")


def restore(database: Database) -> None:
    """Restore `orders` from `orders_snapshot`, and empty our own tables; then settle."""
    write_back(database)
    settle(database)


def write_back(database: Database) -> None:
    """Write the rows of `orders_snapshot` to an empty `orders`, and empty our own tables."""
    with database.transaction() as connection:
        times = _RESTORE_TIMES if read_side_table(connection) else ()
        for statement in (*_RESTORE, *times):
            connection.execute(text(statement))


def settle(database: Database) -> None:
    """Remove dead rows and write dirty pages now, so that no round pays for them."""
    with database.autocommit() as connection:
        connection.execute(text("VACUUM (ANALYZE) orders"))
        connection.execute(text("VACUUM (ANALYZE) activity_log"))
        if connection.execute(_MAY_CHECKPOINT).scalar_one():
            connection.execute(text("CHECKPOINT"))
