"""The statements that find stale orders: a scan of all open ones, and pages of some symbols or ids.

Each reads only open orders, by their partial index or by id. An array is sent as text without a
type: PostgreSQL then takes the type of the column, whatever it is.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Double,
    Executable,
    Exists,
    Integer,
    Interval,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.types import NullType

from reconciler.store.first_sync import first_sync_began_at
from reconciler.store.holds import is_active, is_waiting
from reconciler.store.open_index import AVOID_TABLE_SCANS, CLOCK_TOLERANCE, NEVER
from reconciler.store.orders_table import OrdersTable, is_datetime
from reconciler.store.tables import holds

_OTHER_PLANS = ("enable_indexscan", "enable_sort", "enable_nestloop")
_PREPARE_SCAN = "; ".join(
    [AVOID_TABLE_SCANS, *(f"SET LOCAL {plan} = off" for plan in _OTHER_PLANS)]
)
_PREPARE_PAGE = "; ".join(
    [
        AVOID_TABLE_SCANS,
        *(f"SET LOCAL {plan} TO DEFAULT" for plan in _OTHER_PLANS),
        "SET LOCAL datestyle = ISO",
    ]
)


def set_scan_options(connection: Connection) -> None:
    """Make this transaction read each page of the table once, and no page of ended orders only.

    PostgreSQL may else read the index in its order, to save sorting, and each page once for nearly
    every order on it: 1.9 us of processor time an order instead of 0.6 for 1 million open orders
    among 5 million.
    """
    connection.exec_driver_sql(_PREPARE_SCAN)


def set_page_options(connection: Connection) -> None:
    """Make this transaction use an index, and write times as Python reads them.

    With old statistics PostgreSQL may else use none.
    """
    connection.exec_driver_sql(_PREPARE_PAGE)


def select_scan(orders: OrdersTable) -> Select[Any]:
    """Select each stored symbol's text, its number of stale orders, and the age of the oldest.

    The age is in seconds. Last comes the number of orders that the first sync has not reached yet,
    if it is going on; else that of all.

    The symbol with the longest unsynced order comes first; never-synced
    orders come before all, those with a sync in the future after all.
    """
    since = func.nullif(orders.last_synced_at, literal_column(NEVER))
    if "created_at" in orders.optional:
        since = func.coalesce(since, orders.value("created_at", DateTime(timezone=True)))
    # A time outside of datetime's range has no usable age. Before PostgreSQL 17, subtracting an
    # infinite one is an error.
    oldest = func.min(case((and_(_is_unsynced(orders), is_datetime(since)), since)))
    is_reached = orders.last_synced_at >= first_sync_began_at(orders.scope)
    symbol = cast(orders.symbol, Text)
    return (
        select(
            symbol.label("name"),
            func.count().label("orders"),
            cast(func.extract("epoch", func.now() - oldest), Double),
            func.count().filter(is_reached.is_not(true())),
        )
        .select_from(orders.rows_with_sync_time)
        .where(*_is_stale(orders), _is_not_waiting(orders))
        .group_by(orders.symbol)
        .order_by(func.min(orders.synced_at), oldest, symbol)
    )


def select_page(orders: OrdersTable, which: ColumnElement[bool]) -> Select[Any]:
    """Select the columns of up to `limit` stale orders, the longest unsynced first."""
    return (
        select(
            *(_as_loaded(column) for column in orders.row_columns()),
            # The page has no order with a waiting hold, so only due holds need a lookup.
            _has_hold(orders, ~is_waiting()).is_(true()).label("is_on_hold"),
            orders.row_version(),
        )
        .select_from(orders.rows_with_sync_time)
        .where(*_is_stale(orders), _is_not_waiting(orders), which)
        .order_by(orders.synced_at, orders.id)
        .limit(bindparam("limit", type_=Integer))
    )


def _as_loaded(column: Any) -> Any:
    """Select a time as text, which Python reads three times as fast as the driver."""
    return cast(column, Text) if isinstance(column.type, DateTime) else column


def select_ids(orders: OrdersTable, which: ColumnElement[bool]) -> Executable:
    """Select the ids of up to `limit` stale orders by age, as arrays of `length`.

    Those that are on hold are left out when their page is read. With each array, which is text,
    come the number of its orders, the id and the sync time of the last of them, and the time now,
    as texts.
    """
    place = func.row_number().over(order_by=(orders.synced_at, orders.id)) - 1
    listed = (
        select(orders.id.label("id"), orders.synced_at.label("synced_at"), place.label("place"))
        .select_from(orders.rows_with_sync_time)
        .where(*_is_stale(orders), which)
        .order_by(orders.synced_at, orders.id)
        .limit(bindparam("limit", type_=Integer))
        .subquery("listed")
    )
    array = listed.c.place // bindparam("length", type_=Integer)
    ids: Any = literal_column(_ARRAY)
    return (
        select(
            cast(ids, Text),
            func.count(),
            literal_column(f"(({_ARRAY})[count(*)])::text"),
            cast(func.max(listed.c.synced_at), Text),
            cast(func.now(), Text),
        )
        .group_by(array)
        .order_by(array)
    )


_ARRAY = "array_agg(listed.id ORDER BY listed.place)"


def of_symbols(orders: OrdersTable) -> Any:
    """Return the condition that an order is of one of `symbols`, which is not null."""
    return orders.symbol == func.any(_untyped("symbols"))


def of_ids(orders: OrdersTable) -> Any:
    """Return the condition that an order has one of `ids`."""
    return orders.id == func.any(_untyped("ids"))


def is_listed_later(orders: OrdersTable) -> ColumnElement[bool]:
    """Return the condition that an order comes after the last one listed, and was stale then.

    The parameters are three of `stale.LastListed`.
    """
    last = tuple_(_time("synced_at"), _untyped("id"))
    return and_(
        tuple_(orders.synced_at, orders.id) > last,
        or_(_is_unsynced(orders, _time("began_at")), _is_ahead(orders)),
    )


def _time(name: str) -> ColumnElement[Any]:
    """Return a parameter that is a time as PostgreSQL's text."""
    return cast(bindparam(name, type_=Text), DateTime(timezone=True))


def count_synced_ahead(connection: Connection, orders: OrdersTable) -> int:
    """Count the open orders whose sync is in the future: a clock was wrong."""
    counted = select(func.count()).select_from(orders.rows_with_sync_time)
    statement = counted.where(orders.is_open, _is_ahead(orders))
    return int(connection.execute(statement).scalar_one())


def _untyped(name: str) -> Any:
    return bindparam(name, type_=NullType())


def _is_unsynced(orders: OrdersTable, at: Any = None) -> ColumnElement[bool]:
    """Return the condition that an order is not synced for `stale_after`, now or at a time."""
    since = func.now() if at is None else at
    return since - bindparam("stale_after", type_=Interval) > orders.synced_at


def _is_ahead(orders: OrdersTable) -> ColumnElement[bool]:
    return func.now() + CLOCK_TOLERANCE < orders.synced_at


def _is_stale(orders: OrdersTable) -> list[ColumnElement[bool]]:
    return [orders.is_open, or_(_is_unsynced(orders), _is_ahead(orders))]


def _is_not_waiting(orders: OrdersTable) -> ColumnElement[bool]:
    """Return the condition that an order is not on hold, or that its next attempt is due."""
    # A plain NOT EXISTS would become a join, which over a table that has grown since its last
    # ANALYZE can turn quadratic. NOT IN turns quadratic once the holds exceed the hash memory (over
    # 20 s instead of 0.5 s with 300,000). With IS NOT TRUE it stays a filter on the index scan:
    # hashed while the holds fit into that memory, else one index probe for each row. There are two
    # of them, because one with an OR in it could not be hashed.
    of_this_row = _has_hold(
        orders,
        is_waiting(),
        holds.c.symbol.is_not(None),
        holds.c.symbol == func.coalesce(cast(orders.symbol, Text), ""),
        holds.c.external_order_id == orders.external_order_id,
    )
    of_unknown = _has_hold(orders, is_waiting(), holds.c.symbol.is_(None))
    return or_(of_this_row, of_unknown).is_not(true())


def _has_hold(orders: OrdersTable, *conditions: ColumnElement[bool]) -> Exists:
    return (
        select(holds.c.id)
        .where(holds.c.order_id == cast(orders.id, Text), is_active(orders.scope), *conditions)
        .exists()
    )
