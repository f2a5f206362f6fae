"""Try the SQL of the configuration file: its filter, and its query for symbols.

Only the database knows whether it is right, and whether it writes. While it is tried, nothing can
be written.
"""

from collections.abc import Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconciler.config_file.orders import QueriedColumn
from reconciler.errors import Problem
from reconciler.store.anonymous_block import anonymous_block
from reconciler.store.best_effort import refusal_of
from reconciler.store.column_requirements import FoundColumns
from reconciler.store.symbol_names import names_query
from reconciler.store.user_table import UserTable, literal, pyformat


def sql_problems(
    connection: Connection, table: UserTable, found: FoundColumns
) -> Iterator[Problem]:
    """Try the SQL of the configuration file, reading only; name what the database says of it."""
    has_filter = table.config.where is not None
    if has_filter and (error := _try_reading(connection, f"FROM {table.rows} LIMIT 1")):
        yield Problem(
            what=f"orders.where does not work: {error}", hint=_hint_for_filter(connection, table)
        )
    column = table.config.columns.symbol
    if isinstance(column, QueriedColumn):
        query = names_query(column, found[column.name].full_type) % {"keys": literal("{}")}
        if error := _try_reading(connection, f"FROM ({query}) AS names"):
            yield Problem(
                what=f"the query of orders.columns.symbol does not work: {error}",
                hint="write a SELECT of one column of text, with :value for the key",
            )


def _hint_for_filter(connection: Connection, table: UserTable) -> str:
    may_read = "SELECT has_table_privilege(to_regclass(%s), 'SELECT')"
    if connection.exec_driver_sql(may_read, (table.name,)).scalar_one():
        return _WHERE_HINT
    return (
        f"a filter reads whole rows: run as the owner of {table.name}, for the role of"
        f" DATABASE_URL: GRANT SELECT ON {table.name} TO CURRENT_USER"
    )


_WHERE_HINT = (
    'write a condition that only reads, over the columns of the table: where = "deleted_at IS NULL"'
)


def _try_reading(connection: Connection, rest: str) -> str | None:
    """Run a query that may not write, and drop its result; return what is wrong with it."""
    try:
        connection.exec_driver_sql(pyformat(anonymous_block(_TRY.replace("{rest}", rest))))
    except DBAPIError as error:
        return refusal_of(error)
    return None


# Its inner block is rolled back in any case: with it the transaction may write again.
_TRY = """
BEGIN
    BEGIN
        SET LOCAL transaction_read_only = on;
        PERFORM {rest};
        RAISE EXCEPTION USING ERRCODE = 'RC000';
    EXCEPTION WHEN SQLSTATE 'RC000' THEN NULL;
    END;
END
"""
