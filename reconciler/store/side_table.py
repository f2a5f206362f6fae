"""The side table: our own narrow table of the times of the last sync, for those who want it.

Without it, those times are in a column of the user's table. It is used exactly if it exists, so
that all hosts agree; if the configuration file says where the times are, the two must agree. An
order without a row in it was never synced.
"""

from datetime import timedelta

from sqlalchemy import Column, Connection, DateTime, MetaData, Table
from sqlalchemy.types import TypeEngine

from reconciler.errors import Problem, SchemaMismatch
from reconciler.store.anonymous_block import anonymous_block
from reconciler.store.column_requirements import MOMENT, FoundColumns, column_problems
from reconciler.store.columns import read_columns
from reconciler.store.user_table import UserTable, literal, pyformat

SIDE_TABLE = "reconciliation_sync"

# An order of ours may be another program's at another filter: times are kept or taken over whatever
# the filter is.
_CREATE = """
BEGIN
    IF to_regclass('{side_table}') IS NULL THEN
        CREATE TABLE {side_table} WITH (fillfactor = 70) AS
            SELECT orders.{id} AS order_id, NULL::timestamptz AS last_synced_at
            FROM {table} AS orders WITH NO DATA;
        IF EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = to_regclass({table_name})
                AND attname = 'last_synced_at' AND atttypid = 'timestamptz'::regtype
        ) THEN
            INSERT INTO {side_table} SELECT orders.{id}, orders.last_synced_at
            FROM {table} AS orders
            WHERE {open_orders} AND orders.last_synced_at IS NOT NULL;
        END IF;
        ALTER TABLE {side_table} ADD PRIMARY KEY (order_id),
            ALTER COLUMN last_synced_at SET NOT NULL;
    END IF;
END
"""


def side_table_ddl(table: UserTable) -> str:
    """Return the statement that creates the side table, unless there is one.

    It takes the type of the ids from the user's table, and the times so far from a column of it
    that is called `last_synced_at`.
    """
    body = _CREATE.format(
        side_table=SIDE_TABLE,
        id=table.id,
        table=table.name,
        table_name=literal(table.name),
        open_orders=table.open_orders,
    )
    return anonymous_block(body)


def side_table(id_type: TypeEngine[object]) -> Table:
    """Return the side table of a table of orders whose ids have this type."""
    return Table(
        SIDE_TABLE,
        MetaData(),
        Column("order_id", id_type, primary_key=True),
        Column("last_synced_at", DateTime(timezone=True), nullable=False),
    )


def create_side_table(connection: Connection, table: UserTable) -> None:
    """Create the side table, unless there is one."""
    connection.exec_driver_sql(pyformat(side_table_ddl(table)))


def read_side_table(connection: Connection) -> FoundColumns:
    """Read the columns of the side table; empty if there is none."""
    return read_columns(connection, SIDE_TABLE)


def place_problems(connection: Connection, table: UserTable) -> list[Problem]:
    """Name a contradiction: the configuration file says where the times are, and they are not."""
    has_side_table = bool(read_side_table(connection))
    if table.uses_side_table and not has_side_table:
        return [Problem(what=f"table {SIDE_TABLE} is missing", hint="run: reconciler db upgrade")]
    if "last_synced_at" not in table.config.columns.named or table.uses_side_table:
        return []
    return [_two_places(table)] if has_side_table else []


def _two_places(table: UserTable) -> Problem:
    return Problem(
        what="reconciler.toml has the times of the last sync in"
        f" {table.name}.{table.last_synced_at}, but there is the table {SIDE_TABLE} for them",
        hint='write last_synced_at = "side-table" in [orders.columns], or, if no process uses that'
        f" table, run: DROP TABLE {SIDE_TABLE}",
    )


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


def delete_abandoned_times(connection: Connection, table: UserTable) -> int:
    """Delete up to MAX_DELETED times of orders that the application has ended; return the number.

    Reads the side table, and the orders that have not been synced for ABANDONED_AFTER.
    """
    deleted: int = connection.exec_driver_sql(_delete_abandoned(table)).rowcount
    return deleted


MAX_DELETED = 20_000
ABANDONED_AFTER = timedelta(hours=1)
"""A time that was not renewed for so long is looked at: most such orders have ended."""


def _delete_abandoned(table: UserTable) -> str:
    # With IS NOT TRUE it stays a probe for each such time. As a join it might read all orders. A
    # column of the user's may have the name of one of ours.
    return pyformat(
        f"""
        DELETE FROM {SIDE_TABLE} WHERE order_id IN (
            SELECT order_id FROM {SIDE_TABLE}
            WHERE last_synced_at NOT BETWEEN now() - interval '{ABANDONED_AFTER}'
                    AND now() + interval '{ABANDONED_AFTER}'
                AND EXISTS (
                    SELECT FROM {table.name} AS orders
                    WHERE orders.{table.id} = {SIDE_TABLE}.order_id AND {table.open_orders}
                ) IS NOT TRUE
            LIMIT {MAX_DELETED} FOR UPDATE SKIP LOCKED
        )
        """  # noqa: S608 - quoted, or checked with the configuration file
    )


def side_table_problems(
    found: FoundColumns, orders: FoundColumns, table: UserTable
) -> list[Problem]:
    """Name each reason why a side table with the columns `found` does not fit the user's table."""
    if not found:
        return []
    id_ = orders.get(table.config.columns.id.name)
    id_type = None if id_ is None else id_.type
    problems = column_problems(SIDE_TABLE, {"last_synced_at": MOMENT}, found)
    if id_type is not None and ("order_id" not in found or found["order_id"].type != id_type):
        problems.append(
            Problem(
                what=f"{SIDE_TABLE}.order_id is not of the type of {table.name}.{table.id}, which"
                f" is {id_type}",
                hint="run: DROP TABLE IF EXISTS reconciliation_sync;"
                " then: reconciler db upgrade --side-table",
            )
        )
    return problems
