"""Check that `orders.id` is unique and not null.

Rows are locked and written by their id. If two rows had the same id, the report about one order
would be written to the other row, too.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from reconciler.errors import Problem

_SHAPE = """
SELECT c.relkind::text AS kind,
    coalesce(bool_or(a.attnotnull OR t.typnotnull), false) AS is_never_null,
    coalesce(max(p.partnatts), 0) AS partition_keys,
    array_agg(k.attname::text) FILTER (WHERE k.attname IS NOT NULL) AS partition_columns
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (p.partattrs::int2[])
    AND k.attnum > 0
WHERE c.oid = to_regclass('orders')
GROUP BY c.relkind
"""
_UNIQUE_COLUMNS = """
SELECT array_agg(a.attname::text ORDER BY key.place)
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS key (number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.number
WHERE i.indrelid = to_regclass('orders') AND i.indisunique AND i.indisvalid
    AND i.indpred IS NULL AND i.indexprs IS NULL AND key.place <= i.indnkeyatts
GROUP BY i.indexrelid
"""
_HAS_CHILDREN = """
SELECT relkind = 'r' AND relhassubclass FROM pg_class WHERE oid = to_regclass('orders')
"""
_PARTITIONED = "p"
_WITH_INDEXES = frozenset({"r", _PARTITIONED})


def id_problems(connection: Connection) -> list[Problem]:
    """Name why `orders.id` may be null or not unique; nothing for a view or a foreign table.

    A unique index on a partitioned table must include the partition columns. There such an index is
    enough, and an id that still occurs twice goes on hold. A table that is partitioned by an
    expression cannot have a unique index.
    """
    shape = connection.exec_driver_sql(_SHAPE).mappings().one_or_none()
    if shape is None or shape["kind"] not in _WITH_INDEXES:
        return []
    partition_columns: Sequence[str] = shape["partition_columns"] or ()
    is_by_expression = len(partition_columns) < shape["partition_keys"]
    with_partition_columns = {"id", *partition_columns}
    found = [set(columns) for (columns,) in connection.exec_driver_sql(_UNIQUE_COLUMNS)]
    problems = []
    if not shape["is_never_null"]:
        problems.append(_MAY_BE_NULL)
    if not is_by_expression and {"id"} not in found and with_partition_columns not in found:
        problems.append(_not_unique(["id", *(one for one in partition_columns if one != "id")]))
    return problems


def is_id_unique(connection: Connection) -> bool:
    """Return True if no two rows can have the same id; False if no index rules it out.

    An index holds for one table. Tables that inherit from `orders`, which a query reads, too, may
    have the same ids.
    """
    has_children = connection.exec_driver_sql(_HAS_CHILDREN).scalar()
    found = [set(columns) for (columns,) in connection.exec_driver_sql(_UNIQUE_COLUMNS)]
    return {"id"} in found and not has_children


_MAY_BE_NULL = Problem(
    what="orders.id may be null, and a row without an id cannot be told from another",
    hint="run: ALTER TABLE orders ALTER COLUMN id SET NOT NULL",
)


def _not_unique(columns: Sequence[str]) -> Problem:
    concurrently = " CONCURRENTLY" if len(columns) == 1 else ""
    return Problem(
        what="orders.id is not unique by itself: no unique index, valid and of all rows, is on"
        f" ({', '.join(columns)}), so one id may stand for several orders",
        hint=f"run: CREATE UNIQUE INDEX{concurrently} ON orders ({', '.join(columns)})"
        "  -- fails where an id occurs twice: then each row needs an id of its own",
    )
