"""The least that reporting a few orders can cost at a venue: every strategy tried.

A strategy reads lists, in any order and number, and looks up what is left. Look-ups come last
without loss: no order's fate tells another's. A list of open orders is read to its end; one of
ended orders to any page, if it is known which orders ended. In this world the lists show wanted
orders alone, as a plan with the true estimates knows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from math import ceil, comb

from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries

Counts = tuple[int, ...]
"""A number of orders for each symbol."""


@dataclass(frozen=True)
class _Orders:
    """Orders without an answer: of unknown fate, known as ended, known as open."""

    unknown: Counts
    ended: Counts
    open: Counts

    def sorted_by_symbol(self) -> "_Orders":
        """Return the same with its symbols in one order: no name of a symbol changes a cost."""
        of_each = sorted(zip(self.unknown, self.ended, self.open, strict=True))
        unknown, ended, still_open = zip(*of_each, strict=True)
        return _Orders(unknown=unknown, ended=ended, open=still_open)


@dataclass
class CheapestStrategy:
    """Finds the least expected cost, if each order has ended with the same chance by itself."""

    queries: VenueQueries
    ended_share: float
    first_place_share: float
    known: dict[_Orders, float] = field(default_factory=dict)

    def cost_of(self, *counts: int) -> float:
        """Return the least expected cost of `counts` orders of unknown fate a symbol."""
        none = (0,) * len(counts)
        return self._best(_Orders(unknown=counts, ended=none, open=none))

    def _best(self, orders: _Orders) -> float:
        orders = orders.sorted_by_symbol()
        if orders not in self.known:
            self.known[orders] = min(self._choices(orders))
        return self.known[orders]

    def _choices(self, orders: _Orders) -> Iterator[float]:
        yield self._lookups(orders)
        for offer, read in (
            (self.queries.open_list, self._open_list),
            (self.queries.ended_list, self._ended_list),
        ):
            if offer is None:
                continue
            symbols = range(len(orders.unknown))
            if offer.of_all is not None:
                yield from read(orders, frozenset(symbols), offer, offer.of_all)
            if offer.of_symbol is not None:
                for symbol in symbols:
                    yield from read(orders, frozenset({symbol}), offer, offer.of_symbol)

    def _lookups(self, orders: _Orders) -> float:
        if self.queries.places[0].is_of_symbol:
            return sum(
                self._lookups_together(unknown, ended, still_open)
                for unknown, ended, still_open in zip(
                    orders.unknown, orders.ended, orders.open, strict=True
                )
            )
        return self._lookups_together(sum(orders.unknown), sum(orders.ended), sum(orders.open))

    def _lookups_together(self, unknown: int, ended: int, still_open: int) -> float:
        first, *later = self.queries.places
        again = sum(
            likelihood * _price(place, round((ended + some) * (1 - self.first_place_share)))
            for place in later
            for some, likelihood in _fates(unknown, self.ended_share)
        )
        return _price(first, unknown + ended + still_open) + again

    def _open_list(
        self, orders: _Orders, symbols: frozenset[int], offer: PagedList, price: int
    ) -> Iterator[float]:
        if any(orders.unknown[symbol] for symbol in symbols):
            yield sum(
                likelihood
                * (
                    price * _pages(offer, _of(orders.unknown, symbols) - sum(ended))
                    + self._best(
                        replace(
                            orders,
                            unknown=_without(orders.unknown, symbols),
                            ended=_plus(orders.ended, ended),
                        )
                    )
                )
                for ended, likelihood in self._fates_of(orders.unknown, symbols)
            )

    def _ended_list(
        self, orders: _Orders, symbols: frozenset[int], offer: PagedList, price: int
    ) -> Iterator[float]:
        if any(orders.unknown[symbol] for symbol in symbols):
            yield sum(
                likelihood
                * (
                    price * _pages(offer, _of(orders.ended, symbols) + sum(ended))
                    + self._best(
                        _Orders(
                            unknown=_without(orders.unknown, symbols),
                            ended=_without(orders.ended, symbols),
                            open=_plus(
                                orders.open,
                                tuple(
                                    one - gone if symbol in symbols else 0
                                    for symbol, (one, gone) in enumerate(
                                        zip(orders.unknown, ended, strict=True)
                                    )
                                ),
                            ),
                        )
                    )
                )
                for ended, likelihood in self._fates_of(orders.unknown, symbols)
            )
        elif any(orders.ended[symbol] for symbol in symbols):
            yield price + self._best(
                replace(orders, ended=_less(orders.ended, symbols, offer.page_size))
            )

    def _fates_of(self, unknown: Counts, symbols: frozenset[int]) -> Iterator[tuple[Counts, float]]:
        """Yield every number of ended orders for each symbol, with its likelihood."""
        of_each = [
            _fates(count, self.ended_share) if symbol in symbols else [(0, 1.0)]
            for symbol, count in enumerate(unknown)
        ]
        for fates in product(*of_each):
            likelihood = 1.0
            for _, one in fates:
                likelihood *= one
            if likelihood > 0:
                yield tuple(ended for ended, _ in fates), likelihood


def _fates(number: int, share: float) -> list[tuple[int, float]]:
    return [
        (ended, comb(number, ended) * share**ended * (1 - share) ** (number - ended))
        for ended in range(number + 1)
    ]


def _price(place: Place, orders: int) -> float:
    """Return the least price of looking up `orders` orders: every split into batches tried."""
    least = [0.0] + [float("inf")] * orders
    for number in range(1, orders + 1):
        if place.one_order is not None:
            least[number] = place.one_order + least[number - 1]
        if place.many_orders is not None:
            for size in range(1, min(number, place.batch) + 1):
                least[number] = min(least[number], place.many_orders + least[number - size])
    return least[orders]


def _pages(offer: PagedList, listed: int) -> int:
    return 1 if offer.page_size is None else max(1, ceil(listed / offer.page_size))


def _of(counts: Counts, symbols: Iterable[int]) -> int:
    return sum(counts[symbol] for symbol in symbols)


def _without(counts: Counts, symbols: frozenset[int]) -> Counts:
    return tuple(0 if symbol in symbols else count for symbol, count in enumerate(counts))


def _plus(some: Counts, others: Counts) -> Counts:
    return tuple(one + other for one, other in zip(some, others, strict=True))


def _less(counts: Counts, symbols: frozenset[int], page_size: int | None) -> Counts:
    """Return the counts after a page, which may show the orders of any of the symbols."""
    left, room = list(counts), page_size or sum(counts)
    for symbol in sorted(symbols):
        shown = min(room, left[symbol])
        left[symbol] -= shown
        room -= shown
    return tuple(left)
