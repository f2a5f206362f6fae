"""Choose which lists to read for orders, and when to stop reading one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.query_plan.expected_cost import (
    ExpectedCost,
    mean_ended_between,
    mean_over_ended,
    page_price,
)
from reconciler.exchanges.query_plan.queries import ListEndedOrders, ListOpenOrders
from reconciler.exchanges.query_plan.traversal import ListQuery, Traversal

OrdersBySymbol = Mapping[str, Sequence[OrderRef]]

_FEW_SYMBOLS = 8
"""For so few, every number of lists is tried; for more, lists of symbols with equally many orders
are all chosen, or none is.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListChoice:
    """What is known when lists are chosen.

    Attributes:
        likely_ended: How likely each order without an answer has ended.
        rejected: First pages of lists that the venue rejected.
    """

    cost: ExpectedCost
    likely_ended: Mapping[OrderRef, float]
    rejected: frozenset[ListQuery]

    def open_lists(self, candidates: OrdersBySymbol) -> tuple[ListOpenOrders, ...]:
        """Return the lists of open orders to read for `candidates`; () if look-ups cost less."""
        orders = sum(map(len, candidates.values()))
        if orders == 0:
            return ()
        ended_share = self._ended_among(candidates) / orders
        least = self.cost.without_open_list(orders, orders * ended_share, symbols=len(candidates))
        chosen: tuple[ListOpenOrders, ...] = ()
        for lists, cost in self._costs_of_open_lists(candidates, ended_share):
            if cost < least:
                least, chosen = cost, lists
        return chosen

    def ended_lists(self, candidates: OrdersBySymbol) -> tuple[ListEndedOrders, ...]:
        """Return the lists of ended orders to read for `candidates`; () if look-ups cost less."""
        orders = sum(map(len, candidates.values()))
        if orders == 0:
            return ()
        least = self.cost.of_lookups(orders, self._ended_among(candidates), symbols=len(candidates))
        chosen: tuple[ListEndedOrders, ...] = ()
        for lists, cost in self._costs_of_ended_lists(candidates):
            if cost < least:
                least, chosen = cost, lists
        return chosen

    def is_over(self, traversal: Traversal) -> bool:
        """Return True if the list has no more, or its next page is not worth its price."""
        if traversal.is_complete or not traversal.missing:
            return True
        price = self._price_of(traversal.query)
        symbols = len({ref.symbol for ref in traversal.wanted})
        by_lookups = self.cost.of_lookups(
            len(traversal.wanted), self._ended_of(traversal), symbols=symbols
        )
        if price is None or traversal.pages * price >= by_lookups:
            return True
        missing = len(traversal.missing)
        symbols = len({ref.symbol for ref in traversal.missing})
        ended = self.ended_share_of_missing(traversal) * missing
        if isinstance(traversal.query, ListEndedOrders):
            found = min(traversal.found_on_last, ended)
            saved = self.cost.of_lookups(missing, ended, symbols=symbols) - self.cost.of_lookups(
                missing - found, ended - found, symbols=symbols
            )
            return saved <= price
        pages = self.cost.pages_left(traversal, missing - ended)
        rest = self.cost.without_open_list(ended, ended, symbols=symbols)
        stopped = self.cost.without_open_list(missing, ended, symbols=symbols)
        return pages * price + rest >= stopped

    def ended_share_of_missing(self, traversal: Traversal) -> float:
        """Return how likely it is that an order has ended that a list, read so far, left out."""
        missing = len(traversal.missing)
        if missing == 0:
            return 0
        if isinstance(traversal.query, ListOpenOrders) and traversal.is_complete:
            return 1
        # A list that goes on shows one order more, which may be wanted.
        is_wanted = 0.0 if traversal.is_complete else self.cost.wanted_share(traversal)
        wanted, found = len(traversal.wanted), traversal.found
        share = self._ended_of(traversal) / wanted

        def ended_if(next_wanted: int) -> float:
            if isinstance(traversal.query, ListEndedOrders):
                return mean_ended_between(wanted, share, found + next_wanted, wanted) - found
            return mean_ended_between(wanted, share, 0, missing - next_wanted)

        return (is_wanted * ended_if(1) + (1 - is_wanted) * ended_if(0)) / missing

    def _costs_of_open_lists(
        self, candidates: OrdersBySymbol, ended_share: float
    ) -> Iterator[tuple[tuple[ListOpenOrders, ...], float]]:
        orders = sum(map(len, candidates.values()))

        def cost_of_rest(listed: int, symbols: int, left_out: int) -> float:
            rest = orders - listed + left_out
            ended = (orders - listed) * ended_share + left_out
            return self.cost.without_open_list(
                rest, ended, symbols=len(candidates) - symbols + min(symbols, left_out)
            )

        lists: tuple[ListOpenOrders, ...] = ()
        listed, spent = 0, 0.0
        sizes = {symbol: float(len(refs)) for symbol, refs in candidates.items()}
        for symbol, is_choice in _largest_first(sizes):
            query = ListOpenOrders(symbol=symbol)
            price = self._price_of(query)
            if price is None:
                continue
            lists = (*lists, query)
            listed += len(candidates[symbol])
            spent += price * self.cost.pages_of_open_list(
                len(candidates[symbol]), ended_share, is_of_symbol=True
            )
            if is_choice:
                yield (
                    lists,
                    spent
                    + mean_over_ended(
                        listed, ended_share, partial(cost_of_rest, listed, len(lists))
                    ),
                )
        query = ListOpenOrders(symbol=None)
        price = self._price_of(query)
        if price is not None:
            spent = price * self.cost.pages_of_open_list(orders, ended_share, is_of_symbol=False)
            yield (
                (query,),
                spent
                + mean_over_ended(
                    orders, ended_share, partial(cost_of_rest, orders, len(candidates))
                ),
            )

    def _costs_of_ended_lists(
        self, candidates: OrdersBySymbol
    ) -> Iterator[tuple[tuple[ListEndedOrders, ...], float]]:
        orders = sum(map(len, candidates.values()))
        ended = {symbol: self._ended_in(refs) for symbol, refs in candidates.items()}
        all_ended = sum(ended.values())
        symbols = len(candidates)
        lookup = self.cost.of_lookups(orders, all_ended, symbols=symbols) / orders
        lists: tuple[ListEndedOrders, ...] = ()
        found, spent = 0.0, 0.0
        for symbol, is_choice in _largest_first(ended):
            query = ListEndedOrders(symbol=symbol)
            price = self._price_of(query)
            if price is None:
                continue
            pages, shown = self.cost.ended_walk(ended[symbol], price / lookup)
            lists = (*lists, query)
            found, spent = found + shown, spent + pages * price
            if is_choice:
                rest = self.cost.of_lookups(orders - found, all_ended - found, symbols=symbols)
                yield lists, spent + rest
        query = ListEndedOrders(symbol=None)
        if self._price_of(query) is not None and not (lists and symbols == 1):
            cost = self.cost.without_open_list(orders, all_ended, symbols=len(candidates))
            yield (query,), cost

    def _price_of(self, query: ListQuery) -> int | None:
        """Return the price of a page; None if the venue has no such list, or rejects it."""
        is_open = isinstance(query, ListOpenOrders)
        offer = self.cost.queries.open_list if is_open else self.cost.queries.ended_list
        if offer is None or type(query)(symbol=query.symbol) in self.rejected:
            return None
        return page_price(offer, is_of_symbol=query.symbol is not None)

    def _ended_of(self, traversal: Traversal) -> float:
        return self._ended_in(traversal.wanted)

    def _ended_among(self, candidates: OrdersBySymbol) -> float:
        return sum(self._ended_in(refs) for refs in candidates.values())

    def _ended_in(self, refs: Sequence[OrderRef] | frozenset[OrderRef]) -> float:
        return sum(self.likely_ended[ref] for ref in refs)


def _largest_first(sizes: Mapping[str, float]) -> Iterator[tuple[str, bool]]:
    """Yield the symbols, and whether lists of all up to this one are a choice to be tried."""
    ordered = sorted(sizes, key=lambda symbol: (-sizes[symbol], symbol))
    for symbol, following in zip(ordered, [*ordered[1:], None], strict=True):
        is_last_of_size = following is None or sizes[following] != sizes[symbol]
        yield symbol, is_last_of_size or len(ordered) <= _FEW_SYMBOLS
