"""Check that the id of each order is unique and not null.

Rows are locked and written by their id. If two rows had the same id, the report about one order
would be written to the other row, too.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from reconciler.errors import Problem
from reconciler.store.user_table import UserTable, quoted

_SHAPE = """
SELECT c.relkind::text AS kind,
    coalesce(bool_or(a.attnotnull OR t.typnotnull), false) AS is_never_null,
    coalesce(max(p.partnatts), 0) AS partition_keys,
    array_agg(k.attname::text) FILTER (WHERE k.attname IS NOT NULL) AS partition_columns
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = %(id)s AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (p.partattrs::int2[])
    AND k.attnum > 0
WHERE c.oid = to_regclass(%(table)s)
GROUP BY c.relkind
"""
_UNIQUE_COLUMNS = """
SELECT array_agg(a.attname::text ORDER BY key.place)
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS key (number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.number
WHERE i.indrelid = to_regclass(%(table)s) AND i.indisunique AND i.indisvalid
    AND i.indpred IS NULL AND i.indexprs IS NULL AND key.place <= i.indnkeyatts
GROUP BY i.indexrelid
"""
_HAS_CHILDREN = """
SELECT relkind = 'r' AND relhassubclass FROM pg_class WHERE oid = to_regclass(%(table)s)
"""
_PARTITIONED = "p"
_WITH_INDEXES = frozenset({"r", _PARTITIONED})


def id_problems(connection: Connection, table: UserTable) -> list[Problem]:
    """Name why an id may be null or not unique; nothing for a view or a foreign table.

    A unique index on a partitioned table must include the partition columns. There such an index is
    enough, and an id that still occurs twice goes on hold. A table that is partitioned by an
    expression cannot have a unique index.
    """
    shape = connection.exec_driver_sql(_SHAPE, _names(table)).mappings().one_or_none()
    if shape is None or shape["kind"] not in _WITH_INDEXES:
        return []
    partition_columns: Sequence[str] = shape["partition_columns"] or ()
    is_by_expression = len(partition_columns) < shape["partition_keys"]
    id_ = table.config.columns.id.name
    with_partition_columns = {id_, *partition_columns}
    found = _read_unique_columns(connection, table)
    problems = []
    if not shape["is_never_null"]:
        problems.append(_may_be_null(table))
    if not is_by_expression and {id_} not in found and with_partition_columns not in found:
        problems.append(_not_unique(table, [id_, *sorted(with_partition_columns - {id_})]))
    return problems


def is_id_unique(connection: Connection, table: UserTable) -> bool:
    """Return True if no two rows can have the same id; False if no index rules it out.

    An index holds for one table. Tables that inherit from it, which a query reads, too, may
    have the same ids.
    """
    has_children = connection.exec_driver_sql(_HAS_CHILDREN, _names(table)).scalar()
    found = _read_unique_columns(connection, table)
    return {table.config.columns.id.name} in found and not has_children


def _read_unique_columns(connection: Connection, table: UserTable) -> list[set[str]]:
    rows = connection.exec_driver_sql(_UNIQUE_COLUMNS, _names(table))
    return [set(columns) for (columns,) in rows]


def _names(table: UserTable) -> Mapping[str, str]:
    return {"table": table.name, "id": table.config.columns.id.name}


def _may_be_null(table: UserTable) -> Problem:
    return Problem(
        what=f"{table.name}.{table.id} may be null, and a row without an id cannot be told from"
        " another",
        hint=f"run: ALTER TABLE {table.name} ALTER COLUMN {table.id} SET NOT NULL",
    )


def _not_unique(table: UserTable, names: Sequence[str]) -> Problem:
    columns = [quoted(name) for name in names]
    concurrently = " CONCURRENTLY" if len(columns) == 1 else ""
    return Problem(
        what=f"{table.name}.{table.id} is not unique by itself: no unique index, valid and of all"
        f" rows, is on ({', '.join(columns)}), so one id may stand for several orders",
        hint=f"run: CREATE UNIQUE INDEX{concurrently} ON {table.name} ({', '.join(columns)})"
        "  -- fails where an id occurs twice: then each row needs an id of its own",
    )
