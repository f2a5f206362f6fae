"""What requests are expected to cost: a venue's prices, and shares learned from past results."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil, exp, floor, lgamma, log, sqrt

from reconciler.exchanges.query_plan.offer import PagedList, Place, VenueQueries
from reconciler.exchanges.query_plan.queries import ListOpenOrders
from reconciler.exchanges.query_plan.traversal import Traversal

_MIN_SHARE = 0.001
_RECOVERY_FACTOR = 1.05

# Estimates follow the latest orders: about this number of reported, listed and looked up ones.
_REPORTED_MEMORY = 100
_LISTED_MEMORY = 200
_LOOKED_UP_MEMORY = 20

_EXPECTATION_WEIGHT = 25
"""What is expected of a list counts like this number of orders that it has listed."""

_PAGES_AHEAD = 100
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedShares:
    """Of the orders on a page, the share that was wanted; by whether the list is of one symbol.

    Starts at a half: it is higher for the backlog after an outage, and lower for single orders
    among many.
    """

    of_symbol: float = 0.5
    of_all: float = 0.5

    def after_pages(self, *, is_of_symbol: bool, listed: int, found: int) -> "WantedShares":
        """Return the shares after pages with `listed` orders, `found` of them wanted."""
        if listed == 0:
            return self
        old = self.of_symbol if is_of_symbol else self.of_all
        share = max(_MIN_SHARE, _blend(old, min(1.0, found / listed), listed, _LISTED_MEMORY))
        return replace(self, **{"of_symbol" if is_of_symbol else "of_all": share})

    def recovered(self) -> "WantedShares":
        """Return slightly higher shares, so that a list that seemed too long is tried again."""
        return WantedShares(
            of_symbol=min(1.0, self.of_symbol * _RECOVERY_FACTOR),
            of_all=min(1.0, self.of_all * _RECOVERY_FACTOR),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimates:
    """Expected shares, learned from past results. Recent orders weigh most.

    Attributes:
        ended_share: Of the wanted orders, the share that has ended. Starts low because most stale
            orders are still open.
        on_open_pages: Of the orders on a page of open orders, the share that was wanted.
        on_ended_pages: The same of ended orders.
        newest_share: Of the wanted orders that ended, the share that the list of ended orders shows
            before it is given up: older ones are too far back.
        first_place_share: Of the ended orders that are looked up, the share that the first place
            still knows.
    """

    ended_share: float = 0.02
    on_open_pages: WantedShares = field(default_factory=WantedShares)
    on_ended_pages: WantedShares = field(default_factory=WantedShares)
    newest_share: float = 0.8
    first_place_share: float = 0.5

    def after_ended_list(self, *, wanted: int, found: int) -> "Estimates":
        """Return the estimates after a list showed `found` of `wanted` orders that had ended."""
        if wanted == 0:
            return self
        share = _blend(self.newest_share, found / wanted, wanted, _LOOKED_UP_MEMORY)
        return replace(self, newest_share=max(share, _MIN_SHARE))

    def after_first_place(self, *, ended: int, found: int) -> "Estimates":
        """Return the estimates after the first place knew `found` of `ended` orders."""
        if ended == 0:
            return self
        share = _blend(self.first_place_share, found / ended, ended, _LOOKED_UP_MEMORY)
        return replace(self, first_place_share=share)

    def after_batch(self, *, reported: int, ended: int) -> "Estimates":
        """Return the estimates after a batch: `ended` of its `reported` orders had ended."""
        recovered = replace(
            self,
            on_open_pages=self.on_open_pages.recovered(),
            on_ended_pages=self.on_ended_pages.recovered(),
            newest_share=min(1.0, self.newest_share * _RECOVERY_FACTOR),
        )
        if reported == 0:
            return recovered
        share = _blend(self.ended_share, ended / reported, reported, _REPORTED_MEMORY)
        return replace(recovered, ended_share=share)


def _blend(old: float, observed: float, evidence: int, memory: int) -> float:
    kept = (1 - 1 / memory) ** evidence
    return kept * old + (1 - kept) * observed


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedCost:
    """The expected cost of requests at a venue."""

    queries: VenueQueries
    estimates: Estimates

    def of_lookups(self, orders: float, ended: float, *, symbols: int) -> float:
        """Return the cost of looking up `orders` orders of `symbols`, of which `ended` ended."""
        first, *later = self.queries.places
        left = ended * (1 - self.estimates.first_place_share)
        return _of_place(first, orders, symbols) + sum(
            _of_place(place, left, symbols) for place in later
        )

    def without_open_list(self, orders: float, ended: float, *, symbols: int) -> float:
        """Return the least cost of `orders` orders, `ended` of them ended, without an open list."""
        best = self.of_lookups(orders, ended, symbols=symbols)
        offer = self.queries.ended_list
        if offer is None:
            return best
        is_of_symbol = symbols == 1 and offer.of_symbol is not None
        price = page_price(offer, is_of_symbol=is_of_symbol)
        if price is None:
            return best
        spent = 0
        for _ in range(_PAGES_AHEAD):
            found = self._found_on_ended_page(ended, is_of_symbol=is_of_symbol)
            spent, orders, ended = spent + price, orders - found, ended - found
            if spent >= best or found < _NEGLIGIBLE:
                break
            best = min(best, spent + self.of_lookups(orders, ended, symbols=symbols))
        return best

    def ended_walk(self, ended: float, orders_per_page: float) -> tuple[int, float]:
        """Return the pages to read of a symbol's ended list, and what they show of `ended` orders.

        A page after the first is read if it shows more than `orders_per_page` orders.
        """
        found, pages = self._found_on_ended_page(ended, is_of_symbol=True), 1
        while pages < _PAGES_AHEAD:
            more = self._found_on_ended_page(ended - found, is_of_symbol=True)
            if more <= orders_per_page:
                break
            found, pages = found + more, pages + 1
        return pages, found

    def pages_of_open_list(self, orders: int, ended_share: float, *, is_of_symbol: bool) -> float:
        """Return the mean number of pages on which the open ones of `orders` orders are."""
        offer = self.queries.open_list
        if offer is None:
            return 0
        share = _share_of(self.estimates.on_open_pages, is_of_symbol=is_of_symbol)
        return mean_over_ended(
            orders, ended_share, lambda ended: _pages_of(offer, (orders - ended) / share)
        )

    def pages_left(self, traversal: Traversal, still_open: float) -> int:
        """Return how many more pages of an open list have `still_open` wanted orders."""
        offer = self.queries.open_list
        if offer is None:
            return 0
        return _pages_of(offer, still_open / self.wanted_share(traversal))

    def wanted_share(self, traversal: Traversal) -> float:
        """Return the share of wanted orders on the next page of a list.

        What its pages have shown so far counts more than what was expected of them.
        """
        is_of_symbol = traversal.query.symbol is not None
        is_open = isinstance(traversal.query, ListOpenOrders)
        shares = self.estimates.on_open_pages if is_open else self.estimates.on_ended_pages
        share = _share_of(shares, is_of_symbol=is_of_symbol)
        seen = traversal.found + share * _EXPECTATION_WEIGHT
        return min(1.0, seen / (traversal.listed + _EXPECTATION_WEIGHT))

    def _found_on_ended_page(self, ended: float, *, is_of_symbol: bool) -> float:
        """Return how many of `ended` ended orders the next page of the ended list shows."""
        offer = self.queries.ended_list
        found = ended * self.estimates.newest_share
        if offer is None or offer.page_size is None:
            return found
        shares = self.estimates.on_ended_pages
        return min(found, offer.page_size * _share_of(shares, is_of_symbol=is_of_symbol))


def page_price(offer: PagedList, *, is_of_symbol: bool) -> int | None:
    """Return the price of a page of a list; None if the venue has no such list."""
    return offer.of_symbol if is_of_symbol else offer.of_all


def _pages_of(offer: PagedList, listed: float) -> int:
    """Return the number of pages of a list of `listed` orders. An empty list is one, too."""
    return 1 if offer.page_size is None else max(1, ceil(listed / offer.page_size - _NEGLIGIBLE))


def mean_over_ended(orders: int, ended_share: float, cost_if: Callable[[int], float]) -> float:
    """Return the mean of `cost_if(ended)`, if each of `orders` orders has ended by chance."""
    return sum(likelihood * cost_if(ended) for ended, likelihood in _binomial(orders, ended_share))


def mean_ended_between(orders: int, ended_share: float, least: int, most: int) -> float:
    """Return the mean number of ended ones among `orders`, if it is `least` to `most`."""
    likely = [one for one in _binomial(orders, ended_share) if least <= one[0] <= most]
    total = sum(likelihood for _, likelihood in likely)
    if total < _NEGLIGIBLE:
        return min(max(orders * ended_share, least), most)
    return sum(ended * likelihood for ended, likelihood in likely) / total


@lru_cache(128)
def _binomial(number: int, share: float) -> tuple[tuple[int, float], ...]:
    """Return every likely count of ended orders, with its likelihood. They add up to one."""
    if share <= 0 or number == 0:
        return ((0, 1.0),)
    if share >= 1:
        return ((number, 1.0),)
    mean, spread = number * share, 6 * sqrt(number * share * (1 - share)) + 3
    counts = range(max(0, floor(mean - spread)), min(number, ceil(mean + spread)) + 1)
    likelihoods = [exp(_log_likelihood(number, count, share)) for count in counts]
    total = sum(likelihoods)
    return tuple((count, one / total) for count, one in zip(counts, likelihoods, strict=True))


def _log_likelihood(number: int, count: int, share: float) -> float:
    ways = lgamma(number + 1) - lgamma(count + 1) - lgamma(number - count + 1)
    return ways + count * log(share) + (number - count) * log(1 - share)


def _share_of(shares: WantedShares, *, is_of_symbol: bool) -> float:
    return shares.of_symbol if is_of_symbol else shares.of_all


def _of_place(place: Place, orders: float, symbols: int) -> float:
    """Return the price of looking up `orders` orders. Part of an order costs that part of it."""
    if place.is_of_symbol and orders > 1:
        each = min(symbols, floor(orders))
        return each * _of_orders(place, orders / each)
    return _of_orders(place, orders)


def _of_orders(place: Place, orders: float) -> float:
    whole = floor(orders + _NEGLIGIBLE)
    part = max(0.0, orders - whole)
    price = _of_whole_orders(place, whole)
    return price + part * (_of_whole_orders(place, whole + 1) - price)


def _of_whole_orders(place: Place, orders: int) -> int:
    full, rest = divmod(orders, place.batch)
    return full * price_of_batch(place, place.batch) + price_of_batch(place, rest)


def price_of_batch(place: Place, orders: int) -> int:
    """Return the least price of looking up a batch of `orders` orders, together or one by one."""
    if orders == 0:
        return 0
    one_by_one = None if place.one_order is None else orders * place.one_order
    if one_by_one is None or place.many_orders is None:
        return one_by_one or place.many_orders or 0
    return min(one_by_one, place.many_orders)


def is_cheaper_together(place: Place, orders: int) -> bool:
    """Return True if `ManyOrders` is to look up a batch of `orders` orders."""
    if place.one_order is None:
        return True
    return place.many_orders is not None and place.many_orders < orders * place.one_order
