"""Build the index of open orders, and drop that of earlier versions, while others write.

Each statement runs outside of any transaction. A table with rows is indexed concurrently. Only
statements that take a moment need a lock that writers wait for: they give up after LOCK_TIMEOUT,
so that no writer waits longer behind them, and are tried again.

A partitioned table's index is built from the top: first the indexes of the table and of its
partitioned partitions, which hold no rows, then concurrently that of each partition with rows.
Each is attached to the index above it. Once all are attached, the topmost becomes valid. An
interrupted build goes on where it stopped.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from reconciler.errors import StoreUnavailable
from reconciler.store.open_index import (
    COLUMNS,
    FORMER_INDEX,
    OPEN_INDEX,
    PARTITIONED,
    IndexState,
    has_former_index,
    read_index_state,
    read_kind,
)

LOCK_TIMEOUT_MS = 50
"""The longest that a writer waits because of us, besides the statement itself."""

RETRY_SECONDS = 0.2
MAX_TRIES = 300
"""A minute without a moment in which no transaction has the table locked."""

DDL = (
    f"DROP INDEX CONCURRENTLY IF EXISTS {OPEN_INDEX}",
    f"CREATE INDEX CONCURRENTLY {OPEN_INDEX} ON orders {COLUMNS}",
    f"DROP INDEX CONCURRENTLY IF EXISTS {FORMER_INDEX}",
)
"""The statements for a table without partitions. The first drops an interrupted build."""


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
    is_partitioned = read_kind(connection) == PARTITIONED
    has_former = has_former_index(connection)
    connection.rollback()  # End the transaction that the reads have begun.
    connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        if not is_ready:
            if is_partitioned:
                _build_on_partitions(connection, sleep)
            else:
                for statement in DDL[:2]:
                    connection.exec_driver_sql(statement)
        if has_former and is_partitioned:
            _run_briefly(connection, f"DROP INDEX IF EXISTS {FORMER_INDEX}", sleep)
        elif has_former:
            connection.exec_driver_sql(DDL[2])
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=connection.default_isolation_level)


def _build_on_partitions(connection: Connection, sleep: Callable[[float], None]) -> None:
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


_TABLES = """
WITH tree AS (SELECT relid, parentrelid, isleaf, level FROM pg_partition_tree('orders'))
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


def _read_tables(connection: Connection) -> Iterator[_Table]:
    """Read the partition tree, each table after the one above it."""
    rows = connection.exec_driver_sql(_TABLES, {"name": OPEN_INDEX}).all()
    return (_Table(*row) for row in rows)


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
