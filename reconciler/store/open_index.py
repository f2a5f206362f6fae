"""The index of open orders: its definition and its state.

It finds the open orders of a symbol. It has no time in it that we write: an update that changes no
indexed column, like the one that confirms an order, writes none of the table's indexes (HOT).

It is ours by its table and its name. What it was built from is in its comment, since PostgreSQL
writes a definition in words of its own: when the configuration file says other columns or words,
it is outdated. Without a comment it has the names of `DEFAULT_TABLE`.

An index of the user's is as good where PostgreSQL uses it for open orders. A view has no index:
there PostgreSQL uses those of the tables below.
"""

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Connection

from reconciler.errors import Problem
from reconciler.store.suitable_index import find_suitable_index, has_index_with_status
from reconciler.store.user_table import DEFAULT_TABLE, UserTable, literal, quoted

OPEN_INDEX = "reconciler_open_orders"

FORMER_INDEX = "reconciler_stale_orders"
"""The index of earlier versions. It has `last_synced_at`, so that no update could be HOT."""

OUTDATED_INDEX = "reconciler_outdated_orders"
"""The name of an outdated index while the new one is built."""

NEVER = "'-infinity'::timestamptz"
CLOCK_TOLERANCE = timedelta(minutes=1)
"""A time that is further in the future, by the database's clock, was set by a wrong clock."""

MAX_COUNTED = 100_000
"""The most that `UserTable.open_orders_count` counts: bounded in every table."""

AVOID_TABLE_SCANS = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"

PLAIN = "r"
PARTITIONED = "p"
VIEW = "v"
"""Kinds of tables, as `pg_class.relkind`."""


class IndexState(StrEnum):
    """The state of the index. That of a partitioned table is broken if a partition lacks it.

    Attributes:
        OUTDATED: It was built from other columns or words.
        REPLACED: An index of the user's is used for open orders.
        UNUSED: An index of the user's has the statuses, and PostgreSQL does not use it now: plans
            change with the number of open orders. That stops no program; the next `db upgrade`
            builds ours.
        OF_VIEW: The table is a view.
    """

    MISSING = "missing"
    BROKEN = "broken"
    OUTDATED = "outdated"
    READY = "ready"
    REPLACED = "replaced"
    UNUSED = "unused"
    OF_VIEW = "of a view"

    @property
    def is_usable(self) -> bool:
        """True if nothing has to be built."""
        return self in {IndexState.READY, IndexState.REPLACED, IndexState.OF_VIEW}


def read_index_state(connection: Connection, table: UserTable) -> IndexState:
    """Read whether the index exists and can be used. One on another table does not count."""
    found = connection.exec_driver_sql(
        "SELECT i.indisvalid AND i.indisready AS is_valid,"
        " obj_description(i.indexrelid, 'pg_class') AS comment FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = to_regclass(%s) AND c.relname = %s",
        (table.name, OPEN_INDEX),
    ).one_or_none()
    if found is not None:
        if found.comment != index_comment(table):
            return IndexState.OUTDATED
        return IndexState.READY if found.is_valid else IndexState.BROKEN
    if read_kind(connection, table) == VIEW:
        return IndexState.OF_VIEW
    if find_suitable_index(connection, table) is not None:
        return IndexState.REPLACED
    return IndexState.UNUSED if has_index_with_status(connection, table) else IndexState.MISSING


def index_comment(table: UserTable) -> str | None:
    """Return what the comment of the index says, which is what it was built from.

    The order of the user's words does not matter. None for our own names.
    """
    parts = (_definition(table), _definition(DEFAULT_TABLE))
    return None if parts[0] == parts[1] else f"reconciler: {parts[0]}"


def _definition(table: UserTable) -> str:
    words = ", ".join(map(literal, sorted(table.open_words)))
    return f"({table.symbol}, {table.id}) WHERE {table.external_order_id}, {table.status}: {words}"


def qualified_index(table: UserTable, name: str) -> str:
    """Return an index's name with the schema of its table, if the file gives that."""
    schema = table.config.table.schema
    return name if schema is None else f"{quoted(schema)}.{name}"


def avoid_table_scans(connection: Connection) -> None:
    """Make this transaction use the index: with old statistics the planner may not.

    Compile nothing: up to PostgreSQL 17, a table scan that may not be used counts as so expensive
    that compiling seems to pay (4 us an order instead of 0.4 for a scan of 100,000).
    """
    connection.exec_driver_sql(AVOID_TABLE_SCANS)


def index_problems(connection: Connection, table: UserTable) -> list[Problem]:
    """Name each problem of the index."""
    match read_index_state(connection, table):
        case IndexState.MISSING:
            what = (
                f"index {OPEN_INDEX} on {table.name} is missing: every cycle would read all orders"
            )
        case IndexState.BROKEN:
            what = (
                f"index {OPEN_INDEX} is invalid: its build was interrupted, or a partition of"
                f" {table.name} lacks it"
            )
        case IndexState.OUTDATED:
            what = (
                f"index {OPEN_INDEX} on {table.name} was built for other columns or words than"
                " those in reconciler.toml, so PostgreSQL may not use it"
            )
        case _:
            return []
    return [Problem(what=what, hint="run: reconciler db upgrade")]


def index_build_problems(connection: Connection, table: UserTable) -> list[Problem]:
    """Name why `db upgrade` cannot build the index; nothing if none is needed."""
    if read_index_state(connection, table).is_usable:
        return []
    if read_kind(connection, table) in {PLAIN, PARTITIONED}:
        return []
    return [
        Problem(
            what=f"{table.name} is a foreign table or a materialized view, which has no index of"
            " ours",
            hint="name the table itself, or a view of it, in reconciler.toml: [orders] table",
        )
    ]


def read_kind(connection: Connection, table: UserTable) -> str | None:
    """Read what the table is, as `pg_class.relkind`; None if there is no such table."""
    kind: str | None = connection.exec_driver_sql(
        "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", (table.name,)
    ).scalar()
    return kind
