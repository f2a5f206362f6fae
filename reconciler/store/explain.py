"""Read why an order is, or is not, being reconciled: its row, and the sessions that lock it.

Takes no lock and waits for none: the lock holder is read from the row itself. PostgreSQL writes the
transaction that locks, changes or deletes a row into its `xmax`, or a number that stands for
several transactions (a multixact: two have inserted a fill that refers to the order). While it
runs, each such transaction holds a lock on its own number, which `pg_locks` shows with its session.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
)

from reconciler.domain.order import OrderId
from reconciler.domain.status import Status, in_both_words
from reconciler.store.open_index import CLOCK_TOLERANCE
from reconciler.store.orders_table import OrdersTable, is_datetime
from reconciler.store.row_status import read_row_status


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderRow:
    """The columns of a row of `orders` that decide if the order is due.

    Attributes:
        symbol, stored_symbol: The exchange's name, and what the row has.
        status: None for a word of which the configuration file does not say what it means.
        word: The status in the row's own word.
        last_synced_at: None if it was never synced, or at a time that no datetime can hold.
        is_stale: Never synced, or longer than `stale_after` ago, or at a time in the future.
        fresh_until: When the row becomes stale; None if it is stale.
        now: The database's clock.
    """

    symbol: str
    stored_symbol: str
    external_order_id: str | None
    status: Status | None
    word: str | None
    last_synced_at: datetime | None
    is_stale: bool
    fresh_until: datetime | None
    now: datetime

    @property
    def shown_status(self) -> str:
        """The status for a person, in the user's word and in ours."""
        return in_both_words(self.word, self.status)


@dataclass(frozen=True, kw_only=True, slots=True)
class LockHolder:
    """A session that has locked the row. An attribute that our role may not see is None.

    Attributes:
        pid: None for a prepared transaction, which has no session.
        application: Its `application_name`.
        since: When its transaction began.
        query_since: When its current or last statement began.
    """

    pid: int | None
    application: str
    user: str | None
    state: str | None
    since: datetime | None
    query_since: datetime | None
    query: str | None


def read_row(
    connection: Connection, orders: OrdersTable, order_id: OrderId, *, stale_after: timedelta
) -> OrderRow | None:
    """Read a row; None if there is none with this id."""
    if read_row_status(connection, orders, order_id) is None:
        return None
    synced_at = orders.last_synced_at
    is_time = is_datetime(synced_at)
    stale_at = synced_at + stale_after  # overflows for some times that no datetime can hold
    is_stale = or_(
        orders.synced_at < func.now() - stale_after,
        orders.synced_at > func.now() + CLOCK_TOLERANCE,
    )
    statement = (
        select(
            cast(orders.symbol, Text).label("stored_symbol"),
            orders.as_text("external_order_id"),
            orders.status.label("word"),
            orders.executed_qty.label("executed_qty"),
            case((is_time, synced_at)).label("last_synced_at"),
            cast(is_stale, Boolean).label("is_stale"),
            case((is_time & ~is_stale, case((is_datetime(stale_at), stale_at)))).label(
                "fresh_until"
            ),
            func.now().label("now"),
        )
        .select_from(orders.rows_with_sync_time)
        .where(orders.id == order_id)
    )
    row = connection.execute(statement).mappings().first()  # A view may show an id twice.
    if row is None:
        return None
    values = dict(row)
    symbol, executed_qty = values.pop("stored_symbol"), values.pop("executed_qty")
    return OrderRow(
        symbol=orders.names.read(connection, [symbol])[symbol],
        stored_symbol=symbol or "",
        status=orders.statuses.read(row["word"] or "", executed_qty),
        **values,
    )


def read_lock_holders(
    connection: Connection, orders: OrdersTable, order_id: OrderId
) -> tuple[LockHolder, ...]:
    """Read the sessions that have the row locked now; none if that is not known, as in a view."""
    if not orders.has_row_version:
        return ()
    found = connection.execute(_select_xmax(orders), {"id": order_id}).first()
    if found is None or found.xmax == "0":
        return ()
    members = (
        connection.execute(_MULTIXACT_MEMBERS, {"xmax": found.xmax}).scalars().all()
        if found.may_be_several
        else ()
    )
    rows = connection.execute(
        _LOCK_HOLDERS, {"transactions": [found.xmax, *members], "relation": found.relation}
    )
    return tuple(LockHolder(**row) for row in rows.mappings())


def _select_xmax(orders: OrdersTable) -> Any:
    return (
        select(
            literal_column("xmax::text").label("xmax"),
            literal_column("tableoid::bigint").label("relation"),
            literal_column(_MAY_BE_SEVERAL, Boolean).label("may_be_several"),
        )
        .select_from(orders.table)
        .where(orders.id == bindparam("id", type_=orders.id_type))
    )


# SQL cannot tell if a number is a transaction's or a multixact's. It may be a multixact's if one
# with this number still exists; asking for the members of one that does not is an error.
_MAY_BE_SEVERAL = """
    xmax <> '0'::xid AND mxid_age(xmax) BETWEEN 1 AND
        (SELECT max(mxid_age(datminmxid)) FROM pg_database)
"""

_MULTIXACT_MEMBERS = text("SELECT xid::text FROM pg_get_multixact_members(CAST(:xmax AS xid))")

# A session that locks a row also has a lock on its table. That rules out an old number that happens
# to be the number of a running transaction.
_LOCK_HOLDERS = text(
    """
    SELECT DISTINCT held.pid, coalesce(application_name, 'a prepared transaction') AS application,
        usename::text AS user, state, coalesce(xact_start, prepared) AS since,
        query_start AS query_since,
        nullif(query, '<insufficient privilege>') AS query
    FROM pg_locks AS held
    JOIN pg_locks AS of_table ON of_table.virtualtransaction = held.virtualtransaction
        AND of_table.locktype = 'relation' AND of_table.relation = :relation AND of_table.granted
        AND of_table.mode NOT IN ('AccessShareLock')
        AND of_table.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    LEFT JOIN pg_stat_activity AS session ON session.pid = held.pid
    LEFT JOIN pg_prepared_xacts AS prepared ON prepared.transaction = held.transactionid
        AND held.pid IS NULL
    WHERE held.locktype = 'transactionid' AND held.granted AND held.mode = 'ExclusiveLock'
        AND held.transactionid::text = ANY (CAST(:transactions AS text[]))
    ORDER BY since
    """
)
