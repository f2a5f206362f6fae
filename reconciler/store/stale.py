"""Find the stale orders: two ranges of one index, no lock, nothing written.

The cost depends on the page, not on the table: orders that have ended are not in the index, and the
scan stops before orders that were synced a moment ago.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from sys import intern
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    Executable,
    Exists,
    Integer,
    Interval,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    union_all,
)

from reconciler.domain.order import Facts, OrderId
from reconciler.domain.status import BY_VALUE, Status
from reconciler.domain.value import Value
from reconciler.store.holds import is_waiting
from reconciler.store.prepared_statement import fetch_tuples
from reconciler.store.stale_index import CLOCK_TOLERANCE, NEVER, OPEN_ORDERS, SYNCED_AT
from reconciler.store.tables import OrdersTable, holds, is_datetime


class StaleOrder(Value, array_like=True):
    """A stale order as it was when the page was read; flat, because it is sent to a worker.

    A page has up to 20,000 of them: with `Facts` inside, they take longer to make and to send.

    Attributes:
        is_on_hold: It is on hold, and its next attempt is due.
        qty, side, client_order_id: As the application wrote them; None if there is no such column.
        version: The row's `xmin` as text: the row is unchanged exactly if its `xmin` is the same;
            empty if our role may not read it.
    """

    id: OrderId
    symbol: str
    external_order_id: str
    status: Status
    executed_qty: Decimal
    avg_price: Decimal | None
    created_at: datetime | None
    is_on_hold: bool
    qty: str | None = None
    side: str | None = None
    client_order_id: str | None = None
    version: str = ""

    @property
    def facts(self) -> Facts:
        """The row's facts."""
        return Facts(status=self.status, executed_qty=self.executed_qty, avg_price=self.avg_price)


@dataclass(frozen=True, kw_only=True, slots=True)
class PageCursor:
    """The last order of a page: the next page begins after it.

    `synced_at` is PostgreSQL's own text, because '-infinity' (never synced) is not a datetime.
    """

    synced_at: str
    id: OrderId


@dataclass(frozen=True, kw_only=True, slots=True)
class StalePage:
    """Some stale orders, the longest unsynced first. `next` is None if there are no more."""

    orders: tuple[StaleOrder, ...]
    next: PageCursor | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleBacklog:
    """The number of stale orders, and how long the oldest has not been synced.

    `oldest_age_seconds` counts from `last_synced_at`, or from its creation for an order that was
    never synced. An order whose creation is then not known, or whose sync is in the future, is
    counted but does not affect the age. The age is 0 if no order has one.
    """

    orders: int
    oldest_age_seconds: float


_KEEP_INDEX_ORDER = text("SET LOCAL enable_sort = off")


class StaleOrders:
    """The orders that are open, known at the exchange, and unsynced for longer than `stale_after`.

    An order whose sync is more than CLOCK_TOLERANCE in the future is stale, too: a wrong clock set
    that. Orders on hold are left out until their next attempt is due.
    """

    def __init__(self, orders: OrdersTable, *, stale_after: timedelta) -> None:
        self.stale_after = stale_after
        self._first_pages = [self._select_page(orders, condition) for condition in _STALE_RANGES]
        position = tuple_(
            cast(bindparam("synced_at", type_=Text), DateTime(timezone=True)),
            bindparam("id", type_=orders.c.id.type),
        )
        self._next_pages = [
            page.where(tuple_(_SYNCED_AT, orders.c.id) > position) for page in self._first_pages
        ]
        self._backlog_query = self._select_backlog(orders)

    def read_page(
        self, connection: Connection, limit: int, after: PageCursor | None = None
    ) -> StalePage:
        """Read up to `limit` stale orders, the longest unsynced first, never-synced before all.

        The orders whose sync is in the future come last. They are read by a second scan, at the
        other end of the index: one scan for both would read every fresh order between them.

        `connection` must be in a transaction: a planner setting is changed for it. Otherwise the
        planner, which cannot estimate the cursor's row comparison, may read and sort the whole
        backlog for every page (71 ms instead of 5 for 20,000 of 96,000 rows).
        """
        connection.execute(_KEEP_INDEX_ORDER)
        statements = self._first_pages if after is None else self._next_pages
        position = {} if after is None else {"synced_at": after.synced_at, "id": after.id}
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            if len(rows) < limit:
                parameters = {"stale_after": self.stale_after, "limit": limit - len(rows)}
                rows += fetch_tuples(connection.execute(statement, parameters | position))
        orders = tuple(_stale_orders(rows))
        if len(rows) < limit:
            return StalePage(orders=orders, next=None)
        *_, synced_at = rows[-1]
        return StalePage(orders=orders, next=PageCursor(synced_at=synced_at, id=orders[-1].id))

    def measure_backlog(self, connection: Connection) -> StaleBacklog:
        """Count the stale orders and find the oldest; reads each stale range of the index once."""
        parameters = {"stale_after": self.stale_after}
        count, oldest = connection.execute(self._backlog_query, parameters).one()
        return StaleBacklog(orders=int(count), oldest_age_seconds=max(0.0, float(oldest or 0)))

    def _select_page(
        self, orders: OrdersTable, range_condition: ColumnElement[bool]
    ) -> Select[Any]:
        """Select the columns that `_stale_orders` unpacks."""
        return (
            select(
                *orders.row_columns(),
                # The page has no order with a waiting hold, so only due holds need a lookup.
                _has_hold(orders, ~is_waiting()).is_(true()).label("is_on_hold"),
                orders.row_version(),
                cast(_SYNCED_AT, Text).label("synced_at"),
            )
            .where(*_is_eligible(orders), range_condition)
            .order_by(_SYNCED_AT, orders.c.id)
            .limit(bindparam("limit", type_=Integer))
        )

    def _select_backlog(self, orders: OrdersTable) -> Executable:
        long_ago, in_future = _STALE_RANGES
        since = func.nullif(orders.c.last_synced_at, literal_column(NEVER))
        if "created_at" in orders.optional:
            since = func.coalesce(since, orders.c.created_at)
        # A time outside of datetime's range has no usable age. Before PostgreSQL 17, subtracting
        # an infinite one is an error.
        oldest = func.min(case((is_datetime(since), since)))
        counted = func.count().label("orders")
        parts = union_all(
            select(counted, oldest.label("since"))
            .select_from(orders.table)
            .where(*_is_eligible(orders), long_ago),
            select(counted, cast(null(), DateTime(timezone=True)))
            .select_from(orders.table)
            .where(*_is_eligible(orders), in_future),
        ).subquery()
        age = func.extract("epoch", func.now() - func.min(parts.c.since))
        return select(func.sum(parts.c.orders), age)


_SYNCED_AT = literal_column(SYNCED_AT, DateTime(timezone=True))

_STALE_RANGES: tuple[ColumnElement[bool], ColumnElement[bool]] = (
    func.now() - bindparam("stale_after", type_=Interval) > _SYNCED_AT,
    func.now() + CLOCK_TOLERANCE < _SYNCED_AT,
)
"""Synced long ago or never; synced in the future."""


def count_synced_ahead(connection: Connection, orders: OrdersTable) -> int:
    """Count the open orders whose sync is in the future: a clock was wrong."""
    _, in_future = _STALE_RANGES
    statement = (
        select(func.count())
        .select_from(orders.table)
        .where(literal_column(f"({OPEN_ORDERS})", Boolean), in_future)
    )
    return int(connection.execute(statement).scalar_one())


def _is_eligible(orders: OrdersTable) -> list[ColumnElement[bool]]:
    # A plain NOT EXISTS would become a join, which over a table that has grown since its last
    # ANALYZE can turn quadratic or lose the index's order (2,149 ms instead of 9 for a page of
    # 20,000 and 1,000 holds). NOT IN turns quadratic once the holds exceed the hash memory (over
    # 20 s instead of 0.5 s with 300,000). With IS NOT TRUE it stays a filter on the index scan:
    # hashed while the holds fit into that memory, else one index probe for each row. There are two
    # of them, because one with an OR in it could not be hashed.
    of_this_row = _has_hold(
        orders,
        is_waiting(),
        holds.c.symbol.is_not(None),
        holds.c.symbol == func.coalesce(cast(orders.c.symbol, Text), ""),
        holds.c.external_order_id == cast(orders.c.external_order_id, Text),
    )
    of_unknown = _has_hold(orders, is_waiting(), holds.c.symbol.is_(None))
    return [
        literal_column(f"({OPEN_ORDERS})", Boolean),
        or_(of_this_row, of_unknown).is_not(true()),
    ]


def _has_hold(orders: OrdersTable, *conditions: ColumnElement[bool]) -> Exists:
    return (
        select(holds.c.id)
        .where(
            holds.c.order_id == cast(orders.c.id, Text), holds.c.resolved_at.is_(None), *conditions
        )
        .exists()
    )


def _stale_orders(rows: Iterable[tuple[Any, ...]]) -> Iterator[StaleOrder]:
    for (
        id_,
        symbol,
        external,
        status,
        executed,
        average,
        created_at,
        qty,
        side,
        client_order_id,
        is_on_hold,
        version,
        _,
    ) in rows:
        yield StaleOrder(
            id=id_,
            symbol=intern(symbol or ""),
            external_order_id=external,
            status=BY_VALUE[status],
            executed_qty=executed or _ZERO,
            avg_price=average,
            created_at=created_at,
            is_on_hold=is_on_hold,
            qty=qty,
            side=None if side is None else intern(side),
            client_order_id=client_order_id,
            version=intern(version),
        )


_ZERO = Decimal(0)
