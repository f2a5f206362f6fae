"""The table `orders_snapshot`: the rows of `orders` before each round of a measurement."""

from sqlalchemy import text

from reconciler.store.database import Database

_RESTORE = (
    "TRUNCATE orders, activity_log, reconciliation_holds, reconciliation_cycles",
    "INSERT INTO orders SELECT * FROM orders_snapshot",
)
_MAY_CHECKPOINT = text("SELECT pg_has_role(current_user, 'pg_checkpoint', 'USAGE')")


def restore(database: Database) -> None:
    """Restore `orders` from `orders_snapshot`, and empty our own tables."""
    with database.transaction() as connection:
        for statement in _RESTORE:
            connection.execute(text(statement))
    settle(database)


def settle(database: Database) -> None:
    """Remove dead rows and write dirty pages now, so that no round pays for them."""
    with database.autocommit() as connection:
        connection.execute(text("VACUUM (ANALYZE) orders"))
        connection.execute(text("VACUUM (ANALYZE) activity_log"))
        if connection.execute(_MAY_CHECKPOINT).scalar_one():
            connection.execute(text("CHECKPOINT"))
