"""The queries of a plan: what an exchange can be asked about orders.

An adapter makes one request of each. Only a look-up says that an order does not exist.
"""

from dataclasses import dataclass
from math import inf

from reconciler.exchanges.base import OrderRef


@dataclass(frozen=True, kw_only=True, slots=True)
class GetOrder:
    """Look up one order by its id.

    `step` is the place to look in, if the venue has several: first among the active orders, then in
    the history. Orders move from an earlier place to a later one, never back.
    """

    ref: OrderRef
    step: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ManyOrders:
    """Look up several orders by their ids with one request. `step` is as in `GetOrder`."""

    refs: tuple[OrderRef, ...]
    step: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOpenOrders:
    """List a page of the open orders of `symbol`; None lists those of all symbols.

    `cursor` is the `QueryResult.next_cursor` of the page before; None begins.
    """

    symbol: str | None
    cursor: str | None = None

    def includes(self, symbol: str) -> bool:
        """Return True if the open orders of `symbol` are listed."""
        return self.symbol is None or self.symbol == symbol


@dataclass(frozen=True, kw_only=True, slots=True)
class ListEndedOrders:
    """List a page of the ended orders of `symbol`, or of all if it is None, the newest first.

    `cursor` is the `QueryResult.next_cursor` of the page before; None begins. It is the adapter's
    own text: at a venue that lists by windows of time it names the window, too.
    """

    symbol: str | None
    cursor: str | None = None

    def includes(self, symbol: str) -> bool:
        """Return True if the ended orders of `symbol` are listed."""
        return self.symbol is None or self.symbol == symbol


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOrdersFrom:
    """List a page of the symbol's orders of any status, ascending, from the id `from_id` on."""

    symbol: str
    from_id: int


Query = GetOrder | ManyOrders | ListOpenOrders | ListEndedOrders | ListOrdersFrom


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    """The ids that a `ListOrdersFrom` listed, ascending. The last page ends with the newest."""

    query: ListOrdersFrom
    ids: tuple[int, ...]
    is_last: bool

    @property
    def last(self) -> float:
        """The highest id that would be on the page if it existed."""
        if self.is_last:
            return inf
        return self.ids[-1] if self.ids else self.query.from_id

    def spans(self, number: int) -> bool:
        """Return True if an order with this id would be on the page if it existed.

        The first id asked for is always spanned, even by an empty page.
        """
        first = self.query.from_id
        return number == first or first < number <= self.last
