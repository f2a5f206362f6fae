"""The index of open orders: its definition and its state.

It finds the open orders of a symbol. It has no time in it that we write: an update that changes no
indexed column, like the one that confirms an order, writes none of the table's indexes (HOT).
"""

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Connection

from reconciler.errors import Problem

OPEN_INDEX = "reconciler_open_orders"

FORMER_INDEX = "reconciler_stale_orders"
"""The index of earlier versions. It has `last_synced_at`, so that no update could be HOT."""

# The same text for the index and the queries: PostgreSQL uses a partial index only if it can prove
# that the query's condition implies the index's, and it proves that best for the same expression.
OPEN_ORDERS = "external_order_id IS NOT NULL AND status IN ('pending', 'partial', 'new')"
NEVER = "'-infinity'::timestamptz"
CLOCK_TOLERANCE = timedelta(minutes=1)
"""A time that is further in the future, by the database's clock, was set by a wrong clock."""

MAX_COUNTED = 100_000
COUNT_OPEN_ORDERS = (
    f"SELECT count(*) AS orders FROM (SELECT FROM orders WHERE {OPEN_ORDERS} LIMIT :most) AS listed"  # noqa: S608 - put together from constants
)
"""Counts the open orders up to `most`, which is MAX_COUNTED: bounded in every table."""

COLUMNS = f"(symbol, id) WHERE {OPEN_ORDERS}"
"""What follows the table's name in the index's definition."""

AVOID_TABLE_SCANS = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"


class IndexState(StrEnum):
    """The state of the index. That of a partitioned table is broken if a partition lacks it."""

    MISSING = "missing"
    BROKEN = "broken"
    READY = "ready"


def read_index_state(connection: Connection) -> IndexState:
    """Read whether the index exists and can be used. One on another table does not count."""
    is_ready = connection.exec_driver_sql(
        "SELECT i.indisvalid AND i.indisready FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = to_regclass('orders') AND c.relname = %s",
        (OPEN_INDEX,),
    ).scalar()
    if is_ready is None:
        return IndexState.MISSING
    return IndexState.READY if is_ready else IndexState.BROKEN


def avoid_table_scans(connection: Connection) -> None:
    """Make this transaction use the index: with old statistics the planner may not.

    Compile nothing: up to PostgreSQL 17, a table scan that may not be used counts as so expensive
    that compiling seems to pay (4 us an order instead of 0.4 for a scan of 100,000).
    """
    connection.exec_driver_sql(AVOID_TABLE_SCANS)


def index_problems(connection: Connection) -> list[Problem]:
    """Name each problem of the index."""
    match read_index_state(connection):
        case IndexState.READY:
            return []
        case IndexState.MISSING:
            what = f"index {OPEN_INDEX} on orders is missing: every cycle would read all orders"
        case IndexState.BROKEN:
            what = (
                f"index {OPEN_INDEX} is invalid: its build was interrupted, or a partition of"
                " orders lacks it"
            )
    return [Problem(what=what, hint="run: reconciler db upgrade")]


def index_build_problems(connection: Connection) -> list[Problem]:
    """Name why `db upgrade` cannot build the index; nothing if it is there."""
    if read_index_state(connection) is IndexState.READY:
        return []
    return [] if read_kind(connection) in {"r", PARTITIONED} else [_NO_TABLE]


PARTITIONED = "p"


def read_kind(connection: Connection) -> str | None:
    """Read what `orders` is, as `pg_class.relkind`; None if there is no such table."""
    kind: str | None = connection.exec_driver_sql(
        "SELECT relkind FROM pg_class WHERE oid = to_regclass('orders')"
    ).scalar()
    return kind


_NO_TABLE = Problem(
    what="orders is a view or a foreign table, which has no index",
    hint="put the schema of the table itself first: ALTER ROLE CURRENT_USER SET search_path = ...",
)
