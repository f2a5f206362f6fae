"""Find an index of the user's that serves as the index of open orders.

PostgreSQL decides: it is asked for its plan of a query of open orders. An index serves if it has
the status in its columns or its condition: one of all orders of a symbol would make every page read
those that have ended, too.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconciler.store.best_effort import refusal_of
from reconciler.store.columns import read_columns
from reconciler.store.user_table import UserTable, pyformat

_INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan", "Bitmap Index Scan"})
_OF_ITS_OWN = frozenset({"InitPlan", "SubPlan"})

# Every index of the table or its partitions that has the status in its condition, or as a key; but
# not ours.
_WITH_STATUS = """
SELECT n.nspname::text, c.relname::text, judged.is_partial
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = %(status)s AND NOT a.attisdropped
CROSS JOIN LATERAL (
    SELECT coalesce(i.indpred::text LIKE '%%:varattno ' || a.attnum || ' %%', false) AS is_partial,
        a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS is_key
) AS judged
WHERE (i.indrelid = to_regclass(%(table)s)
        OR i.indrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(table)s))))
    AND i.indisvalid AND c.relname NOT LIKE 'reconciler\\_%%'
    AND (judged.is_partial OR judged.is_key)
"""


def find_suitable_index(connection: Connection, table: UserTable) -> str | None:
    """Return the name of an index by which PostgreSQL finds open orders; None if there is none.

    Of several, one for each partition, it is the first by name. Takes no lock but that of a reader.
    """
    with_status = _read_with_status(connection, table)
    if not with_status or not _may_read(connection, table):
        return None
    plan = _explain(connection, table)
    if plan is None:
        return None
    scans = list(_scans(plan, schema=None))
    status = table.config.columns.status.name
    if not all(
        scan.key in with_status and (status in scan.condition or with_status[scan.key])
        for scan in scans
    ):
        return None
    return min(str(scan.name) for scan in scans)


def has_index_with_status(connection: Connection, table: UserTable) -> bool:
    """Return True if an index of all orders has the status, whatever PostgreSQL uses now.

    One of some orders only that PostgreSQL does not use may lack the open ones.
    """
    found = connection.exec_driver_sql(f"{_WITH_STATUS} AND i.indpred IS NULL", _names(table))
    return found.first() is not None


def _read_with_status(
    connection: Connection, table: UserTable
) -> Mapping[tuple[str | None, str | None], bool]:
    """Read the user's indexes that have the status; True for one that has it in its condition."""
    return {
        (schema, name): is_partial
        for schema, name, is_partial in connection.exec_driver_sql(_WITH_STATUS, _names(table))
    }


def find_table_scans(connection: Connection, table: UserTable) -> tuple[str, ...]:
    """Return the tables that PostgreSQL reads as a whole to find open orders, without an index."""
    plan = _explain(connection, table) if _may_read(connection, table) else None
    scans = () if plan is None else _scans(plan, schema=None)
    return tuple(dict.fromkeys(scan.table for scan in scans if scan.name is None and scan.table))


def _names(table: UserTable) -> Mapping[str, str]:
    return {"table": table.name, "status": table.config.columns.status.name}


def _may_read(connection: Connection, table: UserTable) -> bool:
    found = read_columns(connection, table.name)
    keys = ("id", "symbol", "external_order_id", "status")
    used = [name for key in keys for name in table.columns_of(key)]
    return all(name in found and found[name].is_readable for name in used)


def _explain(connection: Connection, table: UserTable) -> Any:
    """Return the plan of a query of open orders; None if the database refuses the query.

    Then the table does not fit, and that is told by the check of the table.
    """
    query = (
        f"SELECT FROM {table.rows} WHERE {table.open_orders} ORDER BY {table.symbol}, {table.id}"
    )
    # Sent as one, they are one transaction. A row comes first: the result is read from there.
    statement = (
        f"SELECT set_config('enable_seqscan', 'off', true); EXPLAIN (VERBOSE, FORMAT JSON) {query}"
    )
    is_autocommit = connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr] # psycopg's
    savepoint = None if is_autocommit else connection.begin_nested()
    try:
        cursor: Any = connection.exec_driver_sql(pyformat(statement)).cursor
        cursor.nextset()
        (found,) = cursor.fetchone()
    except DBAPIError as error:
        refusal_of(error)
        return None
    finally:
        if savepoint is not None and savepoint.is_active:
            savepoint.rollback()
    plans = json.loads(found) if isinstance(found, str) else found
    return plans[0]["Plan"]


@dataclass(frozen=True)
class _Scan:
    """A scan in a plan. `name` is the index; None for another kind of scan, of `table`.

    `condition` is what is looked for in the index; empty if all of it is read.
    """

    schema: str | None
    name: str | None = None
    condition: str = ""
    table: str | None = None

    @property
    def key(self) -> tuple[str | None, str | None]:
        return (self.schema, self.name)


def _scans(node: Any, schema: str | None) -> Iterator[_Scan]:
    """Yield each scan of a plan, without those of subqueries, which the user's filter may have."""
    schema = node.get("Schema", schema)
    if node["Node Type"] in _INDEX_SCANS:
        yield _Scan(schema, node["Index Name"], node.get("Index Cond", ""))
        return
    children = [
        one for one in node.get("Plans", ()) if one["Parent Relationship"] not in _OF_ITS_OWN
    ]
    if not children:
        yield _Scan(schema, table=node.get("Relation Name"))
    for child in children:
        yield from _scans(child, schema)
