"""Build the index of open orders, and drop that of earlier versions, while others write.

Each statement runs outside of any transaction. A table with rows is indexed concurrently. Only
statements that take a moment need a lock that writers wait for: they give up after
LOCK_TIMEOUT_MS, so that no writer waits longer behind them, and are tried again.

A partitioned table's index is built from the top: first the indexes of the table and of its
partitioned partitions, which hold no rows, then concurrently that of each partition with rows.
Each is attached to the index above it. Once all are attached, the topmost becomes valid. An
interrupted build goes on where it stopped. A table without partitions is a tree of one.

An index is ours by its table and its name, never by its name alone: after a table was renamed or
became a partition, another table's index may have the name. That is renamed, never dropped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from reconciler.errors import StoreUnavailable
from reconciler.store.open_index import (
    COLUMNS,
    FORMER_INDEX,
    OPEN_INDEX,
    IndexState,
    read_index_state,
)

LOCK_TIMEOUT_MS = 50
"""The longest that a writer waits because of us, besides the statement itself.

PostgreSQL's `lock_timeout` is for each lock. All statements but one take a single lock that writers
wait for; for that one, LOCK_TREE shares the time among all its locks.
"""

RETRY_SECONDS = 0.2
MAX_TRIES = 300
"""A minute without a moment in which no transaction has the table locked."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the partition tree.

    Attributes:
        name, index: Quoted, with the schema. `index` is the one attached to the index above; None
            if there is none.
    """

    oid: int
    name: str
    is_leaf: bool
    parent: int | None
    index: str | None


def build_index(connection: Connection, sleep: Callable[[float], None] = time.sleep) -> None:
    """Build what is missing of the index, then drop the former one. No transaction may be open.

    Raises:
        StoreUnavailable: other transactions kept the table locked for too long. What was built
            stays, and the next call goes on.
    """
    is_ready = read_index_state(connection) is IndexState.READY
    connection.rollback()  # End the transaction that the read has begun.
    connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        if not is_ready:
            _settle_names(connection, sleep)
            _build_on_tree(connection, sleep)
        _drop_former(connection, sleep)
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=connection.default_isolation_level)


def _settle_names(connection: Connection, sleep: Callable[[float], None]) -> None:
    """Give each finished index the name that its table's place in the tree asks for.

    The topmost table's index has the plain name. Every other one has its table's oid in its name,
    also that of a table outside the tree that has the plain name in the same schema.
    """
    for statement in (_OTHERS_WITH_THE_NAME, _OWN_WITH_ANOTHER_NAME):
        for index, name in connection.exec_driver_sql(statement, {"name": OPEN_INDEX}).all():
            _run_briefly(connection, f"ALTER INDEX {index} RENAME TO {name}", sleep)


def _build_on_tree(connection: Connection, sleep: Callable[[float], None]) -> None:
    indexes: dict[int, str] = {}
    for table in _read_tables(connection):
        index = table.index or _build_on(connection, table, sleep)
        if table.parent is not None and table.index is None:
            attach = f"ALTER INDEX {indexes[table.parent]} ATTACH PARTITION {index}"
            _run_briefly(connection, attach, sleep)
        indexes[table.oid] = index


def _build_on(connection: Connection, table: _Table, sleep: Callable[[float], None]) -> str:
    """Build the index of one table, unless an earlier try has; return its name."""
    own_name = OPEN_INDEX if table.parent is None else f"{OPEN_INDEX}_{table.oid}"
    qualified, is_valid = _find_index(connection, table.oid, own_name)
    if not table.is_leaf:
        if qualified is None:
            create = f"CREATE INDEX {own_name} ON ONLY {table.name} {COLUMNS}"
            _run_briefly(connection, create, sleep)
    elif not is_valid:
        if qualified is not None:
            connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {qualified}")
        connection.exec_driver_sql(
            f"CREATE INDEX CONCURRENTLY {own_name} ON {table.name} {COLUMNS}"
        )
    qualified, _ = _find_index(connection, table.oid, own_name)
    assert qualified is not None  # noqa: S101 - it was built
    return qualified


def _drop_former(connection: Connection, sleep: Callable[[float], None]) -> None:
    """Drop the former index of the table, and of a partition that had it before it became one."""
    formers = connection.exec_driver_sql(_FORMER_INDEXES, {"name": FORMER_INDEX}).all()
    for index, table_oid, is_partitioned in formers:
        if is_partitioned:
            lock = LOCK_TREE.format(table_oid=table_oid, timeout_ms=LOCK_TIMEOUT_MS)
            _run_briefly(connection, f"{lock}; DROP INDEX {index}", sleep)
        else:
            connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {index}")


# `lock_not_available` is also what a lock's own timeout raises. A `statement_timeout` would raise
# what a person's pg_cancel_backend raises, which must end the upgrade.
LOCK_TREE = """
DO $$
DECLARE
    left_ms int := {timeout_ms};
    began timestamptz;
    partition regclass;
BEGIN
    FOR partition IN SELECT relid FROM pg_partition_tree({table_oid}) LOOP
        IF left_ms <= 0 THEN
            RAISE lock_not_available;
        END IF;
        PERFORM set_config('lock_timeout', left_ms::text, true);
        began := clock_timestamp();
        EXECUTE 'LOCK TABLE ONLY ' || partition || ' IN ACCESS EXCLUSIVE MODE';
        left_ms := left_ms - floor(extract(epoch FROM clock_timestamp() - began) * 1000)::int;
    END LOOP;
END $$"""
"""Locks a table and all its partitions, and waits `timeout_ms` at most for all of them together.

To drop a partitioned table's index takes the lock of every partition, in this order, and keeps each
while it waits for the next.
"""

_TABLES = """
WITH tree AS (
    SELECT relid, parentrelid, isleaf, level FROM pg_partition_tree('orders')
    UNION ALL
    SELECT oid, NULL, true, 0 FROM pg_class
    WHERE oid = 'orders'::regclass AND relkind = 'r' AND NOT relispartition
)
SELECT tree.relid::oid::bigint, format('%%I.%%I', n.nspname, c.relname), tree.isleaf,
    CASE WHEN tree.level > 0 THEN tree.parentrelid::oid::bigint END,
    (SELECT format('%%I.%%I', ni.nspname, ci.relname)
     FROM pg_index i
     JOIN pg_inherits h ON h.inhrelid = i.indexrelid
     JOIN pg_index above ON above.indexrelid = h.inhparent
     JOIN pg_class ca ON ca.oid = above.indexrelid
     JOIN pg_class ci ON ci.oid = i.indexrelid JOIN pg_namespace ni ON ni.oid = ci.relnamespace
     WHERE i.indrelid = tree.relid AND above.indrelid = tree.parentrelid
        AND (ca.relname = %(name)s OR ca.relname LIKE %(name)s || '\\_%%'))
FROM tree
JOIN pg_class c ON c.oid = tree.relid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY tree.level, tree.relid
"""
_INDEX = """
SELECT format('%%I.%%I', n.nspname, c.relname), i.indisvalid
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = %(table)s AND c.relname = %(name)s
"""
_OTHERS_WITH_THE_NAME = """
SELECT format('%%I.%%I', n.nspname, c.relname), format('%%s_%%s', c.relname, i.indrelid)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s::text AND i.indrelid <> 'orders'::regclass
    AND (n.oid = (SELECT relnamespace FROM pg_class WHERE oid = 'orders'::regclass)
        OR i.indrelid IN (SELECT relid FROM pg_partition_tree('orders')))
"""
_OWN_WITH_ANOTHER_NAME = """
SELECT format('%%I.%%I', n.nspname, c.relname), %(name)s::text
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = 'orders'::regclass AND c.relname = format('%%s_%%s', %(name)s::text, i.indrelid)
    AND NOT EXISTS (
        SELECT FROM pg_index o JOIN pg_class co ON co.oid = o.indexrelid
        WHERE o.indrelid = i.indrelid AND co.relname = %(name)s::text)
"""
"""The topmost table was a partition before."""

# One that is attached to the index above goes with that one, or belongs to a person's index.
_FORMER_INDEXES = """
SELECT format('%%I.%%I', n.nspname, c.relname), i.indrelid::bigint, c.relkind = 'I'
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s AND NOT c.relispartition
    AND (i.indrelid = 'orders'::regclass
        OR i.indrelid IN (SELECT relid FROM pg_partition_tree('orders')))
"""


def _read_tables(connection: Connection) -> list[_Table]:
    """Read the partition tree, each table after the one above it."""
    rows = connection.exec_driver_sql(_TABLES, {"name": OPEN_INDEX}).all()
    return [_Table(*row) for row in rows]


def _find_index(connection: Connection, table: int, name: str) -> tuple[str | None, bool]:
    """Return an index's qualified name, and whether it is valid."""
    found = connection.exec_driver_sql(_INDEX, {"table": table, "name": name}).one_or_none()
    return (None, False) if found is None else (found[0], found[1])


def _run_briefly(connection: Connection, statement: str, sleep: Callable[[float], None]) -> None:
    """Run a statement that needs a lock for a moment; wait for it only briefly, but repeatedly.

    Raises:
        StoreUnavailable: it never got the lock.
    """
    for _ in range(MAX_TRIES):
        try:
            # Sent as one, they are one transaction.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; {statement}")
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
        else:
            return
        sleep(RETRY_SECONDS)
    raise StoreUnavailable(
        "other transactions keep orders locked, so its index cannot be finished: look for long"
        " ones in pg_stat_activity, then run reconciler db upgrade again"
    )
