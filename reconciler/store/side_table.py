"""The side table: our own narrow table of the times of the last sync, for those who want it.

Without it, those times are in `orders.last_synced_at`. It is used exactly if it exists, so that all
hosts agree. An order without a row in it was never synced.
"""

from datetime import timedelta

from sqlalchemy import Column, Connection, DateTime, MetaData, Table, text
from sqlalchemy.types import TypeEngine

from reconciler.errors import Problem, SchemaMismatch
from reconciler.store.column_requirements import MOMENT, Columns, column_problems
from reconciler.store.columns import read_columns
from reconciler.store.open_index import OPEN_ORDERS

SIDE_TABLE = "reconciliation_sync"

CREATE_SIDE_TABLE = f"""
DO $$ BEGIN
    IF to_regclass('{SIDE_TABLE}') IS NULL THEN
        CREATE TABLE {SIDE_TABLE} WITH (fillfactor = 70) AS
            SELECT id AS order_id, NULL::timestamptz AS last_synced_at FROM orders WITH NO DATA;
        IF EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = to_regclass('orders')
                AND attname = 'last_synced_at' AND atttypid = 'timestamptz'::regtype
        ) THEN
            INSERT INTO {SIDE_TABLE} SELECT id, last_synced_at FROM orders
                WHERE {OPEN_ORDERS} AND last_synced_at IS NOT NULL;
        END IF;
        ALTER TABLE {SIDE_TABLE} ADD PRIMARY KEY (order_id),
            ALTER COLUMN last_synced_at SET NOT NULL;
    END IF;
END $$
"""  # noqa: S608 - put together from constants
"""Takes the type of the ids, and the times so far, from `orders`. Does nothing if there is one."""


def side_table(id_type: TypeEngine[object]) -> Table:
    """Return the side table of a table of orders whose ids have this type."""
    return Table(
        SIDE_TABLE,
        MetaData(),
        Column("order_id", id_type, primary_key=True),
        Column("last_synced_at", DateTime(timezone=True), nullable=False),
    )


def create_side_table(connection: Connection) -> None:
    """Create the side table, unless there is one."""
    connection.exec_driver_sql(CREATE_SIDE_TABLE)


def read_side_table(connection: Connection) -> Columns:
    """Read the columns of the side table; empty if there is none."""
    return read_columns(connection, SIDE_TABLE)


def require_unchanged(connection: Connection, *, has_side_table: bool) -> None:
    """Check that the side table is, or is not, there as it was when we began.

    Raises:
        SchemaMismatch: it was made or dropped since. The processes that run would not agree.
    """
    if bool(read_side_table(connection)) is not has_side_table:
        done = "dropped" if has_side_table else "made"
        raise SchemaMismatch(
            [
                Problem(
                    what=f"table {SIDE_TABLE} was {done} while we ran",
                    hint="start the service again: its processes must agree",
                )
            ]
        )


def delete_abandoned_times(connection: Connection) -> int:
    """Delete up to MAX_DELETED times of orders that the application has ended; return the number.

    Reads the side table, and the orders that have not been synced for ABANDONED_AFTER.
    """
    deleted: int = connection.execute(_DELETE_ABANDONED, {"most": MAX_DELETED}).rowcount
    return deleted


MAX_DELETED = 20_000
ABANDONED_AFTER = timedelta(hours=1)
"""A time that was not renewed for so long is looked at: most such orders have ended."""

# With IS NOT TRUE it stays a probe for each such time. As a join it might read all of `orders`.
_DELETE_ABANDONED = text(
    f"""
    DELETE FROM {SIDE_TABLE} WHERE order_id IN (
        SELECT order_id FROM {SIDE_TABLE}
        WHERE last_synced_at NOT BETWEEN now() - interval '{ABANDONED_AFTER}'
                AND now() + interval '{ABANDONED_AFTER}'
            AND EXISTS (SELECT FROM orders WHERE id = order_id AND {OPEN_ORDERS}) IS NOT TRUE
        LIMIT :most FOR UPDATE SKIP LOCKED
    )
    """  # noqa: S608 - put together from constants
)


def side_table_problems(found: Columns, orders: Columns) -> list[Problem]:
    """Name each reason why a side table with the columns `found` does not fit `orders`."""
    if not found:
        return []
    id_type = orders["id"].type if "id" in orders else None
    problems = column_problems(SIDE_TABLE, {"last_synced_at": MOMENT}, found)
    if id_type is not None and ("order_id" not in found or found["order_id"].type != id_type):
        problems.append(
            Problem(
                what=f"{SIDE_TABLE}.order_id is not of the type of orders.id, which is {id_type}",
                hint="run: DROP TABLE IF EXISTS reconciliation_sync;"
                " then: reconciler db upgrade --side-table",
            )
        )
    return problems
