"""Choose the cheapest requests that positively report every wanted order.

Pure: an adapter sends what `plan` says and tells `advance` what came of it, round by round.

    search = start(wanted)
    while planned := plan(search, costs, estimates):    decide
        ...                                             the adapter sends, reads, collects answers
        search = advance(search, settled=..., ...)      conclude

    route                     reports                                says "no such order"
    -----                     -------                                --------------------
    OneOrder                  that order, open or ended              yes
    OpenOrders(symbol)        the symbol's open orders               no
    OpenOrders(None)          every open order of the account        no
    HistoryPage(symbol, id)   a page of orders, any status, from id  no

Guarantees:
1. An order that a list leaves out is asked for again, in the history or by name. Only a look-up by
   name ends the search for an order that is not there.
2. Every round settles an order or takes a list off the table, so that the rounds come to an end.
3. With true estimates the expected weight is within a tenth of the cheapest there is (measured
   against exhaustive search in tests/exchanges/test_query_plan.py).

What cannot be known beforehand is in `Estimates`, which every outcome improves.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil, comb, inf
from typing import assert_never

from reconciler.exchanges.base import OrderRef

_LARGEST_NUMBER = 2**63 - 1
_LONGEST_NUMBER = len(str(_LARGEST_NUMBER))

# Estimates follow what is seen within about so many orders, reported or listed.
_MEMORY_REPORTED = 100
_MEMORY_LISTED = 500
_SMALLEST_SHARE = 0.001
_REVIVAL = 1.05


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryCosts:
    """A venue's published request weights, and how many orders one page of history holds."""

    one_order: int
    open_orders: int
    all_open_orders: int
    history_page: int
    page_orders: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GetOrder:
    """Look one order up by its id."""

    wanted: OrderRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOpenOrders:
    """List the open orders of `symbol`; None lists those of all symbols."""

    symbol: str | None

    def covers(self, symbol: str) -> bool:
        """Whether the open orders of `symbol` are among those listed."""
        return self.symbol is None or self.symbol == symbol


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOrdersFrom:
    """List the symbol's orders of any status, ascending, from the id `from_id` on."""

    symbol: str
    from_id: int

    def could_show(self, order: OrderRef) -> bool:
        """Whether a numbered order lies where the page begins or behind it."""
        return order.symbol == self.symbol and int(order.external_order_id) >= self.from_id


Query = GetOrder | ListOpenOrders | ListOrdersFrom


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryResult:
    """What a page of history listed: ids ascending. The last page reaches to the newest order."""

    route: ListOrdersFrom
    ids: tuple[int, ...]
    is_last: bool

    def is_of(self, order: OrderRef) -> bool:
        """Whether the page is of the order's symbol."""
        return order.symbol == self.route.symbol

    def spans(self, number: int) -> bool:
        """Whether an order of this id would be on the page if it were in the history.

        The first id asked for is always spanned, also by a page that shows nothing.
        """
        reached = inf if self.is_last else max((self.route.from_id, *self.ids))
        return self.route.from_id <= number <= reached


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimates:
    """What past outcomes say about the next; exponentially weighted by the orders that were seen.

    Attributes:
        ended_share: Of the wanted orders, the share that has ended. At first small: asking for
            open orders in vain costs 6, and most stale orders are resting ones whose turn came.
        wanted_share: Of the orders on a page of history, the share that was wanted. At first
            half: between the backlog after an outage and single stragglers among many orders.
    """

    ended_share: float = 0.02
    wanted_share: float = 0.5

    def after_page(self, *, listed: int, wanted: int) -> "Estimates":
        """Learn that `wanted` of the `listed` orders in a stretch of history were wanted."""
        if listed == 0:
            return self
        share = _blend(self.wanted_share, wanted / listed, listed, _MEMORY_LISTED)
        return replace(self, wanted_share=max(share, _SMALLEST_SHARE))

    def after_batch(self, *, reported: int, ended: int) -> "Estimates":
        """Learn that `ended` of the `reported` orders of one batch had ended.

        The share of wanted orders on a page grows a little with every batch: a page that is
        thought too sparse to ask for is never measured again, unless hope returns by itself.
        """
        hopeful = replace(self, wanted_share=min(1.0, self.wanted_share * _REVIVAL))
        if reported == 0:
            return hopeful
        share = _blend(self.ended_share, ended / reported, reported, _MEMORY_REPORTED)
        return replace(hopeful, ended_share=share)


def _blend(old: float, observed: float, evidence: int, memory: int) -> float:
    kept = (1 - 1 / memory) ** evidence
    return kept * old + (1 - kept) * observed


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchState:
    """A batch that is being asked about, and what earlier rounds have shown.

    Attributes:
        places: Of every order of the batch that a list can report: its rank by id within its
            symbol. A page of history answers for a run of ranks.
        left: Orders without an answer or a failure.
        by_name: Orders that no list will report: no number, or passed over by a page.
        open_seen: Symbols whose open orders have been listed: what is left of them has ended.
    """

    places: Mapping[OrderRef, int]
    left: frozenset[OrderRef]
    by_name: frozenset[OrderRef]
    open_seen: frozenset[str]


def order_number(external_order_id: str) -> int | None:
    """Return the id as the number by which a list shows it; None where it is no such number.

    Only the plain decimal form of a 64-bit id counts: "007", "7 " and "x7" are looked up by name,
    so that the exchange itself says what it makes of them.
    """
    if not (external_order_id.isascii() and external_order_id.isdecimal()):
        return None
    if len(external_order_id) > _LONGEST_NUMBER:
        return None
    number = int(external_order_id)
    is_plain = str(number) == external_order_id and number <= _LARGEST_NUMBER
    return number if is_plain else None


def start(wanted: Iterable[OrderRef]) -> SearchState:
    """Begin a search for `wanted`; of orders named twice, once."""
    everything = frozenset(wanted)
    numbers: dict[str, list[tuple[int, OrderRef]]] = defaultdict(list)
    for order in everything:
        number = order_number(order.external_order_id)
        if number is not None:
            numbers[order.symbol].append((number, order))
    places = {
        order: place
        for numbered in numbers.values()
        for place, (_, order) in enumerate(sorted(numbered, key=lambda pair: pair[0]))
    }
    return SearchState(
        places=places,
        left=everything,
        by_name=everything - places.keys(),
        open_seen=frozenset(),
    )


def plan(search: SearchState, costs: QueryCosts, estimates: Estimates) -> tuple[Query, ...]:
    """Return the requests of the next round, which may all be sent at once; none: nothing is left.

    Of a symbol's pages only the first is in a round: how far it reached decides about the next.
    """
    named = tuple(GetOrder(wanted=order) for order in _sorted(search.left & search.by_name))
    offers = [_offer(group, costs, estimates) for group in _groups(search)]
    if sum(offer.saved_by_open_list for offer in offers) > costs.all_open_orders:
        return (*named, ListOpenOrders(symbol=None))
    return (*named, *(route for offer in offers for route in offer.routes))


def covers(search: SearchState, route: Query) -> frozenset[OrderRef]:
    """Return the orders for whose sake `route` is sent: they fail if it fails."""
    match route:
        case GetOrder():
            return frozenset({route.wanted})
        case ListOpenOrders():
            return frozenset(
                order
                for order in _listable(search)
                if route.covers(order.symbol) and order.symbol not in search.open_seen
            )
        case ListOrdersFrom():
            return frozenset(order for order in _listable(search) if route.could_show(order))
        case _:
            assert_never(route)


def advance(
    search: SearchState,
    *,
    settled: frozenset[OrderRef],
    open_lists: Iterable[ListOpenOrders] = (),
    pages: Iterable[QueryResult] = (),
    unlisted: frozenset[OrderRef] = frozenset(),
) -> SearchState:
    """Conclude a round: `settled` have an answer or a failure, the lists and pages were read.

    `unlisted` are orders whose list cannot be had.
    """
    left = search.left - settled
    symbols = {order.symbol for order in search.places}
    listed = {symbol for route in open_lists for symbol in symbols if route.covers(symbol)}
    passed_over = {
        order
        for page in pages
        for order in left & search.places.keys()
        if page.is_of(order) and page.spans(int(order.external_order_id))
    }
    return replace(
        search,
        left=left,
        by_name=search.by_name | passed_over | unlisted,
        open_seen=search.open_seen | listed,
    )


def learn(estimates: Estimates, search: SearchState, pages: Iterable[QueryResult]) -> Estimates:
    """Improve `estimates` by how many of the batch's orders each page held.

    What follows the batch's last order on a page says nothing: nobody wanted anything there.
    """
    for page in pages:
        wanted = {int(order.external_order_id) for order in search.places if page.is_of(order)}
        found = [index for index, number in enumerate(page.ids) if number in wanted]
        goes_on = any(number > page.route.from_id and not page.spans(number) for number in wanted)
        listed = len(page.ids) if goes_on or not found else found[-1] + 1
        estimates = estimates.after_page(listed=listed, wanted=len(found))
    return estimates


@dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    """What is left of one symbol and can be listed, ascending by id."""

    symbol: str
    orders: tuple[OrderRef, ...]
    places: tuple[int, ...]
    is_open_seen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """The cheapest routes for one group, and what it would save if open orders came for free."""

    routes: tuple[Query, ...]
    saved_by_open_list: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cover:
    """Names and pages that cover a group: so many by name at first, then a page if any is left."""

    weight: int
    named_first: int


def _groups(search: SearchState) -> list[_Group]:
    by_symbol: dict[str, list[OrderRef]] = defaultdict(list)
    for order in _listable(search):
        by_symbol[order.symbol].append(order)
    return [
        _Group(
            symbol=symbol,
            orders=tuple(sorted(orders, key=search.places.__getitem__)),
            places=tuple(sorted(search.places[order] for order in orders)),
            is_open_seen=symbol in search.open_seen,
        )
        for symbol, orders in sorted(by_symbol.items())
    ]


def _offer(group: _Group, costs: QueryCosts, estimates: Estimates) -> _Candidate:
    reach = max(1, round(costs.page_orders * estimates.wanted_share))
    cover = _cheapest_cover(group.places, reach, costs)
    if group.is_open_seen:
        return _Candidate(routes=_first_steps(group, cover), saved_by_open_list=0)
    rest = _expected_rest(len(group.orders), reach, costs, estimates.ended_share)
    by_list = costs.open_orders + rest
    return _Candidate(
        routes=(
            (ListOpenOrders(symbol=group.symbol),)
            if by_list < cover.weight
            else _first_steps(group, cover)
        ),
        saved_by_open_list=max(0, min(by_list, cover.weight) - rest),
    )


def _first_steps(group: _Group, cover: _Cover) -> tuple[Query, ...]:
    named = tuple(GetOrder(wanted=order) for order in group.orders[: cover.named_first])
    if cover.named_first == len(group.orders):
        return named
    first = group.orders[cover.named_first]
    return (*named, ListOrdersFrom(symbol=group.symbol, from_id=int(first.external_order_id)))


def _cheapest_cover(places: tuple[int, ...], reach: int, costs: QueryCosts) -> _Cover:
    """Cover ascending `places`: each by name, or by a page that answers for `reach` places on.

    Worked out from the last place to the first. At equal weight names win: they are certain.
    """
    weight = [0] * (len(places) + 1)
    is_page = [False] * len(places)
    for index in reversed(range(len(places))):
        beyond = bisect_left(places, places[index] + reach)
        by_name = costs.one_order + weight[index + 1]
        by_page = costs.history_page + weight[beyond]
        is_page[index] = by_page < by_name
        weight[index] = min(by_name, by_page)
    named_first = is_page.index(True) if any(is_page) else len(places)
    return _Cover(weight=weight[0], named_first=named_first)


def _expected_rest(orders: int, reach: int, costs: QueryCosts, ended_share: float) -> float:
    """Expect the weight of reporting those of `orders` that a list of open ones leaves out."""
    pages, remainder = divmod(orders, reach)
    return pages * _expected_run(reach, costs, ended_share) + _expected_run(
        remainder, costs, ended_share
    )


def _expected_run(orders: int, costs: QueryCosts, ended_share: float) -> float:
    """Expect the weight of a run that one page covers: a page, or less by name if few ended.

    The number that has ended is binomial: the page, less what each small number of them saves.
    """
    fewest_for_page = ceil(costs.history_page / costs.one_order)
    saved = sum(
        (costs.history_page - ended * costs.one_order)
        * comb(orders, ended)
        * ended_share**ended
        * (1 - ended_share) ** (orders - ended)
        for ended in range(min(fewest_for_page, orders + 1))
    )
    return costs.history_page - saved


def _listable(search: SearchState) -> frozenset[OrderRef]:
    return search.left - search.by_name


def _sorted(orders: Iterable[OrderRef]) -> list[OrderRef]:
    return sorted(orders, key=lambda order: (order.symbol, order.external_order_id))
