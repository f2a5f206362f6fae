"""What a confirm costs in `orders`: is it a HOT update, and how much log does it write.

A confirm changes `last_synced_at` only. It is HOT, and writes no index, if no index has that column
and the new version of the row fits on the same page. Reads the catalogs, writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from reconciler.store.user_table import UserTable

HOT_BYTES = 210
"""The log of a HOT confirm: the row's lock, its new version, and the pruning of its old one.

Measured with PostgreSQL 18, without images of pages, and rounded: the figure of `scripts/bench
--only steady-state` on the page of performance, which a test compares.
"""

INDEX_BYTES = 90
"""The log of an index entry, which a confirm that is not HOT writes for each index."""

DEFAULT_FILLFACTOR = 100
"""PostgreSQL's default: a page is filled to its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmCost:
    """What decides the cost of a confirm, unless the sync times are in the side table.

    Attributes:
        indexes: The number of indexes on `orders`, or on its partition with the most.
        synced_indexes: The names of those that have `last_synced_at`, for SQL.
        tables_without_room: The names, for SQL, of `orders` or its partitions whose new pages are
            filled to their end.
    """

    indexes: int
    synced_indexes: Sequence[str]
    tables_without_room: Sequence[str]

    @property
    def bytes_if_not_hot(self) -> int:
        """The log of a confirm that is not HOT."""
        return HOT_BYTES + INDEX_BYTES * self.indexes


def read_confirm_cost(connection: Connection, table: UserTable) -> ConfirmCost:
    """Read what decides the cost of a confirm."""
    (column,) = table.columns_of("last_synced_at") or (None,)
    names = {"table": table.name, "column": column}
    tables = connection.exec_driver_sql(_TABLES, names).all()
    return ConfirmCost(
        indexes=max((indexes for _, indexes, _ in tables), default=0),
        synced_indexes=tuple(connection.exec_driver_sql(_SYNCED_INDEXES, names).scalars()),
        tables_without_room=tuple(
            name for name, _, fillfactor in tables if fillfactor == DEFAULT_FILLFACTOR
        ),
    )


_LEAVES = """
    SELECT coalesce(tree.relid, to_regclass(%(table)s)) AS oid
    FROM (SELECT 1) AS one LEFT JOIN pg_partition_tree(to_regclass(%(table)s)) AS tree ON true
    WHERE coalesce(tree.isleaf, true)
"""
_TABLES = f"""
SELECT c.oid::regclass::text, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid),
    coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions)
        WHERE option_name = 'fillfactor'), {DEFAULT_FILLFACTOR})
FROM pg_class c WHERE c.oid IN ({_LEAVES}) AND c.relkind = 'r'
ORDER BY 1
"""  # noqa: S608 - put together from constants

# A column of an expression or a predicate is not in indkey, but the index depends on it. A BRIN
# index does not keep an update from being HOT, from PostgreSQL 16 on. Of a partitioned index only
# the topmost is named.
_SYNCED_INDEXES = f"""
SELECT c.oid::regclass::text
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am am ON am.oid = c.relam
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = %(column)s
WHERE (i.indrelid IN ({_LEAVES}) OR i.indrelid = to_regclass(%(table)s))
    AND NOT c.relispartition
    AND (am.amname <> 'brin' OR current_setting('server_version_num')::int < 160000)
    AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
            AND d.refobjsubid = a.attnum))
ORDER BY 1
"""  # noqa: S608 - put together from constants
