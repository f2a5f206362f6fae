"""Find the stale orders symbol by symbol: one scan, then pages; no lock, nothing written.

A sweep begins with a scan of the open orders, which counts the stale ones by symbol. That is also
the backlog. It then reads page after page: several whole symbols, or a part of one. A symbol that
does not fit into a page has its ids listed first, the longest unsynced first, and is read by them.
So a page costs no more than its orders, and no index needs to contain a time that we write.

Each page has only orders that are stale when it is read. A sweep has every order that was stale
when it was scanned, and has been since.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Executable, Uuid

from reconciler.store.order_ids import has_texts, texts_literal
from reconciler.store.orders_table import OrdersTable
from reconciler.store.prepared_statement import fetch_tuples
from reconciler.store.stale_order import ReadOrders, StaleOrder, TextIdStaleOrder
from reconciler.store.stale_statements import (
    is_listed_later,
    of_ids,
    of_symbols,
    select_ids,
    select_page,
    select_scan,
    set_page_options,
    set_scan_options,
)

MAX_LISTED = 500_000
"""The number of ids that are listed at once, or half of it if they are no integers: about 10 MB."""

ROOM_FOR_GROWTH = 8
"""A page before the last is planned an eighth smaller than allowed: symbols grow after the scan."""


class SymbolBacklog(NamedTuple):
    """The number of stale orders of a symbol, as it is stored; None for orders without one."""

    symbol: str | None
    orders: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleBacklog:
    """The number of stale orders, and how long the oldest has not been synced.

    `oldest_age_seconds` counts from `last_synced_at`, or from its creation for an order that was
    never synced. An order whose creation is then not known, or whose sync is in the future, is
    counted but does not affect the age. The age is 0 if no order has one.

    `unreached_orders` are those of them that the first sync of this table has not looked at yet,
    while it is going on; else all.
    """

    orders: int
    oldest_age_seconds: float
    unreached_orders: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleScan:
    """What a scan of the open orders found. The symbol with the longest unsynced order is first.

    `names` has the exchange's name of each symbol.
    """

    symbols: tuple[SymbolBacklog, ...]
    names: Mapping[str | None, str]
    backlog: StaleBacklog


class ListedIds(NamedTuple):
    """Some ids of a symbol, as PostgreSQL's text for an array, and their number."""

    ids: str
    number: int


class LastListed(NamedTuple):
    """The place from which on the ids of a symbol are listed next, as PostgreSQL's text.

    Attributes:
        synced_at, id: Those of the last order listed.
        began_at: When the first ids of the symbol were listed. What is stale since then belongs to
            the next sweep: else a symbol whose orders go stale as fast as they are synced would
            have no end.
        lists_left: How many more lists the symbol may have. New orders, never synced, may come as
            fast as others are looked at. If fewer come than there were, none is left out.
    """

    synced_at: str
    id: str
    began_at: str
    lists_left: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SweepPosition:
    """What is left of a sweep: the next page begins here.

    Attributes:
        scan: The scan at the start of the sweep.
        next_symbol: The place in `scan.symbols` of the first symbol that is not begun.
        listed_symbols: The symbols whose ids are listed.
        listed: Their ids that are still to be read, as arrays of a page each.
        last_listed: The last order listed; None if no order comes after it.
    """

    scan: StaleScan
    next_symbol: int = 0
    listed_symbols: tuple[str | None, ...] = ()
    listed: tuple[ListedIds, ...] = ()
    last_listed: LastListed | None = None

    @property
    def is_end(self) -> bool:
        """True if nothing is left."""
        has_listed = bool(self.listed) or self.last_listed is not None
        return not has_listed and self.next_symbol >= len(self.scan.symbols)


@dataclass(frozen=True, kw_only=True, slots=True)
class StalePage:
    """Some stale orders, the longest unsynced first. `next` is None if there are no more."""

    orders: tuple[StaleOrder, ...]
    next: SweepPosition | None


class StaleOrders:
    """The orders that are open, known at the exchange, and unsynced for longer than `stale_after`.

    An order whose sync is more than CLOCK_TOLERANCE in the future is stale, too: a wrong clock set
    that. Orders on hold are left out until their next attempt is due.

    Each method needs a transaction.
    """

    def __init__(self, orders: OrdersTable, *, stale_after: timedelta) -> None:
        self.stale_after = stale_after
        is_text = has_texts(orders.id_type)
        is_long = is_text or isinstance(orders.id_type, Uuid)
        self._max_listed = MAX_LISTED // 2 if is_long else MAX_LISTED
        self._names = orders.names
        self._as_orders = ReadOrders(orders.statuses, TextIdStaleOrder if is_text else StaleOrder)
        self._scan = select_scan(orders)
        self._of_symbols = _statements(orders, of_symbols(orders))
        # An index finds nulls by IS NULL only.
        self._of_none = _statements(orders, orders.symbol.is_(None))

    def scan(self, connection: Connection) -> StaleScan:
        """Count the stale orders by symbol, and find the oldest. Reads all open orders."""
        set_scan_options(connection)
        rows = list(self._fetch(connection, self._scan))
        return StaleScan(
            symbols=tuple(SymbolBacklog(symbol, orders) for symbol, orders, *_ in rows),
            names=self._names.read(connection, (symbol for symbol, *_ in rows)),
            backlog=StaleBacklog(
                orders=sum(orders for _, orders, *_ in rows),
                oldest_age_seconds=max(
                    (age for *_, age, _ in rows if age is not None), default=0.0
                ),
                unreached_orders=sum(unreached for *_, unreached in rows),
            ),
        )

    def measure_backlog(self, connection: Connection) -> StaleBacklog:
        """Count the stale orders, and find the oldest. Reads all open orders."""
        return self.scan(connection).backlog

    def read_page(
        self, connection: Connection, limit: int, position: SweepPosition | None = None
    ) -> StalePage:
        """Read up to `limit` stale orders at `position` of a sweep; without it, begin one.

        A page that is listed already keeps its size. An empty page is the last one.
        """
        rest = SweepPosition(scan=self.scan(connection)) if position is None else position
        set_page_options(connection)
        while not rest.is_end:
            orders, rest = self._read_next(connection, limit, rest)
            if orders:
                return StalePage(orders=orders, next=None if rest.is_end else rest)
        return StalePage(orders=(), next=None)

    def _read_next(
        self, connection: Connection, limit: int, position: SweepPosition
    ) -> tuple[tuple[StaleOrder, ...], SweepPosition]:
        """Read or list the next orders; return those read, and what is left then."""
        if position.listed:
            (ids, number), *rest = position.listed
            symbols = position.listed_symbols
            page = self._statements_for(symbols).page_of_ids
            # All of them, also if `limit` is smaller than when they were listed.
            rows = self._fetch(connection, page, symbols=_array_of(symbols), ids=ids, limit=number)
            return self._as_orders(rows, position.scan.names), replace(position, listed=tuple(rest))
        if position.last_listed is not None:
            return (), self._list_ids(connection, limit, position)
        end = _end_of_page(position.scan.symbols, position.next_symbol, limit)
        begun = position.scan.symbols[position.next_symbol : end]
        symbols = tuple(backlog.symbol for backlog in begun)
        position = replace(position, next_symbol=end, listed_symbols=symbols)
        if sum(backlog.orders for backlog in begun) <= limit:
            page = self._statements_for(symbols).page
            rows = self._fetch(connection, page, symbols=_array_of(symbols), limit=limit + 1)
            orders = self._as_orders(rows, position.scan.names)
            if len(orders) <= limit:
                return orders, position
        return (), self._list_ids(connection, limit, position)

    def _list_ids(
        self, connection: Connection, limit: int, position: SweepPosition
    ) -> SweepPosition:
        """List the next ids of the symbols, as arrays of `limit`."""
        symbols = position.listed_symbols
        statements = self._statements_for(symbols)
        parameters: dict[str, Any] = {
            "symbols": _array_of(symbols),
            "limit": self._max_listed,
            "length": limit,
        }
        statement = statements.ids
        last = position.last_listed
        if last is not None:
            statement = statements.later_ids
            parameters |= {"synced_at": last.synced_at, "id": last.id, "began_at": last.began_at}
        arrays = list(self._fetch(connection, statement, **parameters))
        lists_left = self._most_later_lists(position) if last is None else last.lists_left - 1
        last_listed = None
        if lists_left and sum(number for _, number, *_ in arrays) == self._max_listed:
            *_, last_id, synced_at, now = arrays[-1]
            last_listed = LastListed(
                synced_at=synced_at,
                id=last_id,
                began_at=now if last is None else last.began_at,
                lists_left=lists_left,
            )
        listed = tuple(ListedIds(ids, number) for ids, number, *_ in arrays)
        return replace(position, listed=listed, last_listed=last_listed)

    def _most_later_lists(self, position: SweepPosition) -> int:
        """Return how many lists may follow the first: for twice the orders that were scanned."""
        begin = position.next_symbol - len(position.listed_symbols)
        begun = position.scan.symbols[begin : position.next_symbol]
        return 2 * sum(backlog.orders for backlog in begun) // self._max_listed

    def _statements_for(self, symbols: tuple[str | None, ...]) -> "_Statements":
        return self._of_none if symbols == (None,) else self._of_symbols

    def _fetch(
        self, connection: Connection, statement: Executable, **parameters: Any
    ) -> Iterator[tuple[Any, ...]]:
        parameters["stale_after"] = self.stale_after
        return fetch_tuples(connection.execute(statement, parameters))


class _Statements(NamedTuple):
    """The statements that read orders of some symbols."""

    page: Executable
    page_of_ids: Executable
    ids: Executable
    later_ids: Executable


def _statements(orders: OrdersTable, which: ColumnElement[bool]) -> _Statements:
    return _Statements(
        page=select_page(orders, which),
        # By the ids alone, PostgreSQL may read the whole index of open orders for each page.
        page_of_ids=select_page(orders, which & of_ids(orders)),
        ids=select_ids(orders, which),
        later_ids=select_ids(orders, which & is_listed_later(orders)),
    )


def _end_of_page(symbols: Sequence[SymbolBacklog], begin: int, limit: int) -> int:
    """Return the place after the last symbol that fits into the page that starts at `begin`.

    The page has at least one symbol. Orders without a symbol have a page of their own.
    """
    is_last = sum(orders for _, orders in symbols[begin:]) <= limit
    room = limit if is_last else limit - limit // ROOM_FOR_GROWTH
    for place in range(begin, len(symbols)):
        symbol, orders = symbols[place]
        room -= orders
        if place > begin and (room < 0 or symbol is None or symbols[begin].symbol is None):
            return place
    return len(symbols)


def _array_of(symbols: Iterable[str | None]) -> str:
    """Return PostgreSQL's text for an array of symbols."""
    return texts_literal(symbol or "" for symbol in symbols)
