"""Tell if `xmin` is a version of the rows of `orders`: it changes with each write.

A query of `orders` also reads its partitions, and the tables that inherit from it. A foreign table
among them has no `xmin`: there it is always 0. Another access method than heap may use it in
another way.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Text, cast, func, literal, literal_column

from reconciler.errors import Problem
from reconciler.store.user_table import UserTable

NO_VERSION = "0"
"""The `xmin` of a row that has no version."""


def select_row_version(*, exists: bool) -> ColumnElement[str]:
    """Select the version of a row of `orders` as text; '' for a row that has none."""
    if not exists:
        return literal("")
    xmin = cast(literal_column("orders.xmin"), Text)
    return func.coalesce(func.nullif(xmin, NO_VERSION), "")


def row_version_problems(connection: Connection, table: UserTable) -> list[Problem]:
    """Name each reason why the rows of the table have no version for us."""
    names = {"table": table.name}
    if connection.exec_driver_sql(_IS_VIEW, names).scalar_one():
        return [_of_view(table.name)]
    others: Sequence[str] = connection.exec_driver_sql(_OTHER_TABLES, names).scalars().all()
    problems = [_of_table(name, table.name) for name in others]
    if not connection.exec_driver_sql(_MAY_READ, names).scalar_one():
        problems.append(_not_readable(table.name))
    return problems


_IS_VIEW = """
SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(%(table)s) AND relkind = 'v')
"""
_OTHER_TABLES = """
WITH RECURSIVE read_tables AS (
    SELECT to_regclass(%(table)s)::oid AS oid
    UNION
    SELECT inhrelid FROM pg_inherits JOIN read_tables ON inhparent = read_tables.oid
)
SELECT c.oid::regclass::text
FROM read_tables JOIN pg_class c ON c.oid = read_tables.oid LEFT JOIN pg_am am ON am.oid = c.relam
WHERE (c.relkind = 'p' OR c.relkind = 'r' AND am.amname = 'heap') IS NOT TRUE
ORDER BY 1
"""
_MAY_READ = """
SELECT count(*) = 2 FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attname IN ('xmin', 'ctid')
    AND has_column_privilege(attrelid, attnum, 'SELECT')
"""
_COST = "so each batch takes four round trips instead of one"


def _not_readable(table: str) -> Problem:
    return Problem(
        what=f"our role may not read the version of a row (xmin, ctid), {_COST}",
        hint=f"run as the owner of {table}, for the role of DATABASE_URL:"
        f" GRANT SELECT ON {table} TO CURRENT_USER",
    )


def _of_view(name: str) -> Problem:
    return Problem(
        what=f"{name} is a view, whose rows have no version (xmin), and are read again after each"
        " write: each batch takes up to six round trips instead of one",
        hint="nothing has to be done; where one table has it all, name that in reconciler.toml",
    )


def _of_table(name: str, table: str) -> Problem:
    return Problem(
        what=f"{name}, which a query of {table} reads, is not a table of PostgreSQL's own: its rows"
        f" have no version (xmin), {_COST}",
        hint="nothing has to be done: rows are locked, read and decided on again; if all its orders"
        f" have ended, have its owner take it out of {table}",
    )
