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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from reconciler.errors import StoreUnavailable
from reconciler.store.open_index import (
    FORMER_INDEX,
    OPEN_INDEX,
    OUTDATED_INDEX,
    index_comment,
    read_index_state,
)
from reconciler.store.user_table import UserTable, literal, pyformat

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


def build_index(
    connection: Connection, table: UserTable, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Build what is missing of the index, then drop former ones. No transaction may be open.

    An outdated index stays under another name until the new one is built. Nothing is built where
    none is needed: for a view, or where an index of the user's serves.

    Raises:
        StoreUnavailable: other transactions kept the table locked for too long. What was built
            stays, and the next call goes on.
    """
    is_usable = read_index_state(connection, table).is_usable
    connection.rollback()  # End the transaction that the read has begun.
    connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        build = _Build(connection, table, sleep)
        if not is_usable:
            build.set_outdated_aside()
            build.settle_names()
            build.build_on_tree()
        build.drop_former()
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=connection.default_isolation_level)


@dataclass(frozen=True)
class _Build:
    """Builds the index of one table. The connection commits each statement."""

    connection: Connection
    table: UserTable
    sleep: Callable[[float], None]

    def set_outdated_aside(self) -> None:
        """Rename what was built from other columns or words, so that it serves until it is dropped.

        If an interrupted upgrade has set one aside before, that serves, and this one is dropped.
        """
        given = {"name": OPEN_INDEX, "aside": OUTDATED_INDEX, "comment": index_comment(self.table)}
        for index, table_oid, aside, is_topmost in self._read(_OUTDATED, given):
            name = OUTDATED_INDEX if is_topmost else f"{OUTDATED_INDEX}_{table_oid}"
            if aside:
                self._drop(index, table_oid)
            else:
                self._run_briefly(f"ALTER INDEX {index} RENAME TO {name}")

    def settle_names(self) -> None:
        """Give each finished index the name that its table's place in the tree asks for.

        The topmost table's index has the plain name. Every other one has its table's oid in its
        name, also that of a table outside the tree that has the plain name in the same schema.
        """
        for statement in (_OTHERS_WITH_THE_NAME, _OWN_WITH_ANOTHER_NAME):
            for index, name in self._read(statement, {"name": OPEN_INDEX}):
                self._run_briefly(f"ALTER INDEX {index} RENAME TO {name}")

    def build_on_tree(self) -> None:
        """Build the index of each table of the tree, and attach it to the one above."""
        indexes: dict[int, str] = {}
        for part in self._read_tables():
            index = part.index or self._build_on(part)
            if part.parent is not None and part.index is None:
                attach = f"ALTER INDEX {indexes[part.parent]} ATTACH PARTITION {index}"
                self._run_briefly(attach)
            indexes[part.oid] = index

    def drop_former(self) -> None:
        """Drop former and outdated indexes, also those of a partition from before it became one."""
        for name in (FORMER_INDEX, OUTDATED_INDEX):
            for index, table_oid in self._read(_FORMER_INDEXES, {"name": name}):
                self._drop(index, table_oid)

    def _drop(self, index: str, table_oid: int) -> None:
        (is_partitioned,) = self.connection.exec_driver_sql(_IS_PARTITIONED, {"index": index}).one()
        if is_partitioned:
            lock = LOCK_TREE.format(table_oid=table_oid, timeout_ms=LOCK_TIMEOUT_MS)
            self._run_briefly(f"{lock}; DROP INDEX {index}")
        else:
            self.connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {pyformat(index)}")

    def _read_tables(self) -> list[_Table]:
        """Read the partition tree, each table after the one above it."""
        return [_Table(*row) for row in self._read(_TABLES, {"name": OPEN_INDEX})]

    def _build_on(self, part: _Table) -> str:
        """Build the index of one table, unless an earlier try has; return its name."""
        own_name = OPEN_INDEX if part.parent is None else f"{OPEN_INDEX}_{part.oid}"
        columns = self.table.index_columns
        qualified, is_valid = self._find_index(part.oid, own_name)
        if not part.is_leaf:
            if qualified is None:
                self._run_briefly(f"CREATE INDEX {own_name} ON ONLY {part.name} {columns}")
        elif not is_valid:
            if qualified is not None:
                self.connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {pyformat(qualified)}")
            create = f"CREATE INDEX CONCURRENTLY {own_name} ON {part.name} {columns}"
            self.connection.exec_driver_sql(pyformat(create))
        qualified, _ = self._find_index(part.oid, own_name)
        assert qualified is not None  # noqa: S101 - it was built
        if comment := index_comment(self.table):
            self._run_briefly(f"COMMENT ON INDEX {qualified} IS {literal(comment)}")
        return qualified

    def _find_index(self, table_oid: int, name: str) -> tuple[str | None, bool]:
        """Return an index's qualified name, and whether it is valid."""
        given = {"oid": table_oid, "name": name}
        found = self.connection.exec_driver_sql(_INDEX, given).one_or_none()
        return (None, False) if found is None else (found[0], found[1])

    def _read(self, statement: str, given: Mapping[str, object]) -> Sequence[Any]:
        given = {**given, "table": self.table.name}
        return self.connection.exec_driver_sql(statement, given).all()

    def _run_briefly(self, statement: str) -> None:
        """Run a statement that needs a lock for a moment; wait for it only briefly, but repeatedly.

        Raises:
            StoreUnavailable: it never got the lock.
        """
        statement = pyformat(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; {statement}")
        for _ in range(MAX_TRIES):
            try:
                # Sent as one, they are one transaction.
                self.connection.exec_driver_sql(statement)
            except OperationalError as error:
                if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                    raise
            else:
                return
            self.sleep(RETRY_SECONDS)
        raise StoreUnavailable(
            f"other transactions keep {self.table.name} locked, so its index cannot be finished:"
            " look for long ones in pg_stat_activity, then run reconciler db upgrade again"
        )


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
    SELECT relid, parentrelid, isleaf, level FROM pg_partition_tree(to_regclass(%(table)s))
    UNION ALL
    SELECT oid, NULL, true, 0 FROM pg_class
    WHERE oid = to_regclass(%(table)s) AND relkind = 'r' AND NOT relispartition
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
WHERE i.indrelid = %(oid)s AND c.relname = %(name)s
"""
_OTHERS_WITH_THE_NAME = """
SELECT format('%%I.%%I', n.nspname, c.relname), format('%%s_%%s', c.relname, i.indrelid)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s::text AND i.indrelid <> to_regclass(%(table)s)
    AND (n.oid = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(%(table)s))
        OR i.indrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(table)s))))
"""
_OWN_WITH_ANOTHER_NAME = """
SELECT format('%%I.%%I', n.nspname, c.relname), %(name)s::text
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = to_regclass(%(table)s)
    AND c.relname = format('%%s_%%s', %(name)s::text, i.indrelid)
    AND NOT EXISTS (
        SELECT FROM pg_index o JOIN pg_class co ON co.oid = o.indexrelid
        WHERE o.indrelid = i.indrelid AND co.relname = %(name)s::text)
"""
"""The topmost table was a partition before."""

_OUTDATED = """
SELECT format('%%I.%%I', n.nspname, c.relname), i.indrelid::bigint,
    EXISTS (
        SELECT FROM pg_class a WHERE a.relnamespace = c.relnamespace AND a.relname = CASE
            WHEN i.indrelid = to_regclass(%(table)s) THEN %(aside)s::text
            ELSE format('%%s_%%s', %(aside)s::text, i.indrelid) END
    ),
    i.indrelid = to_regclass(%(table)s)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (i.indrelid = to_regclass(%(table)s)
        OR i.indrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(table)s))))
    AND c.relname IN (%(name)s::text, format('%%s_%%s', %(name)s::text, i.indrelid))
    AND obj_description(c.oid, 'pg_class') IS DISTINCT FROM %(comment)s::text
ORDER BY c.relispartition, 1
"""

# One that is attached to the index above goes with that one, or belongs to a person's index.
_FORMER_INDEXES = """
SELECT format('%%I.%%I', n.nspname, c.relname), i.indrelid::bigint
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname IN (%(name)s::text, format('%%s_%%s', %(name)s::text, i.indrelid))
    AND NOT c.relispartition
    AND (i.indrelid = to_regclass(%(table)s)
        OR i.indrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(table)s))))
"""
_IS_PARTITIONED = "SELECT relkind = 'I' FROM pg_class WHERE oid = to_regclass(%(index)s)"
