"""Every order of the account, by symbol and id, in memory.

Orders are values: to change one is to replace it. A lookup is a binary search, a page of history
a slice.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from reconciler.paper.market import Market, market_for
from reconciler.paper.orders import PaperOrder, advance


class UnknownSymbol(LookupError):
    """No order of this symbol was ever placed, so the exchange does not know the symbol."""


Distortion = Callable[[PaperOrder], PaperOrder | None]
"""Returns an order as an answer shows it, or None to hide it."""


class SymbolOrders:
    """The orders of one symbol, ids ascending."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._ids: list[int] = []
        self._orders: list[PaperOrder] = []
        self._open: Sequence[PaperOrder] | None = None

    def __iter__(self) -> Iterator[PaperOrder]:
        return iter(self._orders)

    def __reversed__(self) -> Iterator[PaperOrder]:
        return reversed(self._orders)

    def find(self, order_id: int) -> PaperOrder | None:
        """Return the order with that id."""
        at = bisect_left(self._ids, order_id)
        return self._orders[at] if self._has(at, order_id) else None

    def find_by_client_id(self, client_order_id: str) -> PaperOrder | None:
        """Return the latest order with that client id. Scans all orders."""
        for order in reversed(self._orders):
            if order.client_order_id == client_order_id:
                return order
        return None

    def put(self, order: PaperOrder) -> None:
        """Add an order, or replace the one of the same id."""
        self._open = None
        at = bisect_left(self._ids, order.order_id)
        if self._has(at, order.order_id):
            self._orders[at] = order
            return
        self._ids.insert(at, order.order_id)
        self._orders.insert(at, order)

    def remove(self, order_id: int) -> bool:
        """Remove an order; return False if there was none."""
        at = bisect_left(self._ids, order_id)
        if not self._has(at, order_id):
            return False
        self._open = None
        del self._ids[at], self._orders[at]
        return True

    def advance(self, steps: int, now_ms: int) -> int:
        """Move every order on by `steps` states; return how many moved."""
        moved = [advance(order, steps, now_ms) for order in self._orders]
        count = sum(new is not old for new, old in zip(moved, self._orders, strict=True))
        self._orders = moved
        self._open = None
        return count

    def open_orders(self) -> Sequence[PaperOrder]:
        """Return every open order, ids ascending."""
        if self._open is None:
            self._open = [order for order in self._orders if order.state.is_open]
        return self._open

    def from_id(self, order_id: int, limit: int | None = None) -> Sequence[PaperOrder]:
        """Return the orders from that id on, up to `limit` of them, ids ascending."""
        at = bisect_left(self._ids, order_id)
        return self._orders[at : None if limit is None else at + limit]

    def latest(self, limit: int) -> Sequence[PaperOrder]:
        """Return the `limit` orders with the highest ids, ids ascending."""
        return self._orders[-limit:]

    def _has(self, at: int, order_id: int) -> bool:
        return at < len(self._ids) and self._ids[at] == order_id


class DistortedSymbolOrders:
    """The orders of one symbol, as they are shown while faults distort them."""

    def __init__(self, orders: SymbolOrders, distort: Distortion) -> None:
        self.market = orders.market
        self._orders = orders
        self._distort = distort

    def __iter__(self) -> Iterator[PaperOrder]:
        return self._shown(self._orders)

    def find(self, order_id: int) -> PaperOrder | None:
        """Return the order with that id."""
        order = self._orders.find(order_id)
        return None if order is None else self._distort(order)

    def find_by_client_id(self, client_order_id: str) -> PaperOrder | None:
        """Return the latest order with that client id."""
        order = self._orders.find_by_client_id(client_order_id)
        return None if order is None else self._distort(order)

    def open_orders(self) -> Sequence[PaperOrder]:
        """Return every order shown as open, and every open order shown with an unknown status."""
        return [
            shown
            for order in self._orders
            if (shown := self._distort(order)) is not None and is_shown_as_open(order, shown)
        ]

    def from_id(self, order_id: int, limit: int) -> Sequence[PaperOrder]:
        """Return up to `limit` orders from that id on, ids ascending."""
        return list(islice(self._shown(self._orders.from_id(order_id)), limit))

    def latest(self, limit: int) -> Sequence[PaperOrder]:
        """Return the `limit` orders with the highest ids, ids ascending."""
        return list(islice(self._shown(reversed(self._orders)), limit))[::-1]

    def _shown(self, orders: Iterable[PaperOrder]) -> Iterator[PaperOrder]:
        return (shown for order in orders if (shown := self._distort(order)) is not None)


def is_shown_as_open(order: PaperOrder, shown: PaperOrder) -> bool:
    """Return True if a list of open orders has an order that faults show as `shown`.

    An open order with an unknown status is still in it.
    """
    return shown.state.is_open or (order.state.is_open and shown.state.status is None)


class OrderStore:
    """The orders of all symbols."""

    def __init__(self, orders: Iterable[PaperOrder] = ()) -> None:
        self._by_symbol: dict[str, SymbolOrders] = {}
        self._newest_first: Sequence[PaperOrder] | None = None
        self._symbol_of: dict[int, str] | None = None
        for order in orders:
            self.put(order)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[PaperOrder]:
        for symbol in self.symbols():
            yield from self._by_symbol[symbol]

    def symbols(self) -> Sequence[str]:
        """Return every symbol that exists, in alphabetical order."""
        return sorted(self._by_symbol)

    def of_symbol(self, symbol: str) -> SymbolOrders:
        """Return the orders of one symbol.

        Raises:
            UnknownSymbol: there is no such symbol.
        """
        try:
            return self._by_symbol[symbol]
        except KeyError:
            raise UnknownSymbol(symbol) from None

    def find(self, order_id: int) -> PaperOrder | None:
        """Return the order with that id, whatever its symbol. Generated ids are unique."""
        if self._symbol_of is None:
            self._symbol_of = {order.order_id: order.symbol for order in self}
        symbol = self._symbol_of.get(order_id)
        return None if symbol is None else self._by_symbol[symbol].find(order_id)

    def newest_first(self) -> Sequence[PaperOrder]:
        """Return all orders, the latest placed first."""
        if self._newest_first is None:
            self._newest_first = sorted(
                self, key=lambda order: (order.created_ms, order.order_id), reverse=True
            )
        return self._newest_first

    def put(self, order: PaperOrder) -> None:
        """Add an order, or replace the one of the same symbol and id."""
        self._forget_indexes()
        orders = self._by_symbol.get(order.symbol)
        if orders is None:
            orders = self._by_symbol[order.symbol] = SymbolOrders(market_for(order.symbol))
        orders.put(order)

    def remove(self, symbol: str, order_id: int) -> bool:
        """Remove an order; return False if there was none. Its symbol remains.

        Raises:
            UnknownSymbol: there is no such symbol.
        """
        self._forget_indexes()
        return self.of_symbol(symbol).remove(order_id)

    def advance(self, steps: int, now_ms: int) -> int:
        """Move every order on by `steps` states; return how many moved."""
        self._forget_indexes()
        return sum(orders.advance(steps, now_ms) for orders in self._by_symbol.values())

    def after(self, symbol: str, order_id: int, limit: int) -> Sequence[PaperOrder]:
        """Return up to `limit` orders after (symbol, id), sorted by symbol, then id."""
        page: list[PaperOrder] = []
        for name in self.symbols():
            if name < symbol:
                continue
            first_id = order_id + 1 if name == symbol else 0
            page.extend(self._by_symbol[name].from_id(first_id, limit - len(page)))
            if len(page) >= limit:
                break
        return page

    def _forget_indexes(self) -> None:
        self._newest_first = self._symbol_of = None
