"""The account as one request sees it: what an answer may depend on."""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.market import Market
from reconciler.paper.order_store import (
    DistortedSymbolOrders,
    Distortion,
    OrderStore,
    SymbolOrders,
    UnknownSymbol,
    is_shown_as_open,
)
from reconciler.paper.orders import PaperOrder


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountView:
    """The account as one request sees it, while faults distort it.

    Symbols and ids are the exchange's own here: a dialect translates its spelling before it asks.

    Attributes:
        now_ms: The exchange's clock, in ms since 1970, which a fault may have set wrong.
        limit: The amount of the dialect's first limit.
        uid: The account's identity.
        access: The accepted credentials.
        nonces: The largest nonce of each API key so far, for dialects that have nonces: the only
            thing that a request may change.
        distort: Changes the orders that are shown. None shows them as they are.
        delisted: Symbols that are no longer listed.
    """

    orders: OrderStore
    now_ms: int
    limit: int
    uid: int
    access: AccessPolicy
    nonces: MutableMapping[str, int]
    distort: Distortion | None = None
    delisted: frozenset[str] = frozenset()

    def symbols(self) -> Sequence[str]:
        """Return every listed symbol."""
        return [symbol for symbol in self.orders.symbols() if symbol not in self.delisted]

    def markets(self) -> Sequence[Market]:
        """Return every listed market."""
        return [self.orders.of_symbol(symbol).market for symbol in self.symbols()]

    def symbol_orders(self, symbol: str) -> SymbolOrders | DistortedSymbolOrders:
        """Return the orders of one symbol, ids ascending.

        Raises:
            UnknownSymbol: the symbol does not exist.
        """
        if symbol in self.delisted:
            raise UnknownSymbol(symbol)
        orders = self.orders.of_symbol(symbol)
        return orders if self.distort is None else DistortedSymbolOrders(orders, self.distort)

    def find(self, order_id: int) -> PaperOrder | None:
        """Return the order with that id, whatever its symbol."""
        order = self.orders.find(order_id)
        return None if order is None else self._shown(order)

    def newest_first(self, symbol: str | None = None) -> Iterator[PaperOrder]:
        """Yield all orders, or those of one symbol: the latest placed first.

        Raises:
            UnknownSymbol: the symbol does not exist.
        """
        if symbol is not None:
            self.symbol_orders(symbol)
        for order in self.orders.newest_first():
            if symbol in (None, order.symbol) and (shown := self._shown(order)) is not None:
                yield shown

    def open_orders(self, symbol: str | None = None) -> Iterator[PaperOrder]:
        """Yield the open orders, or those of one symbol: the latest placed first.

        An open order that is shown with an unknown status is among them.

        Raises:
            UnknownSymbol: the symbol does not exist.
        """
        if symbol is not None:
            self.symbol_orders(symbol)
        for order in self.orders.newest_first():
            if symbol in (None, order.symbol):
                shown = self._shown(order)
                if shown is not None and is_shown_as_open(order, shown):
                    yield shown

    def _shown(self, order: PaperOrder) -> PaperOrder | None:
        if order.symbol in self.delisted:
            return None
        return order if self.distort is None else self.distort(order)
