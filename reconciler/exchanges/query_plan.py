"""Choose the cheapest requests that report every wanted order.

It does no I/O. Round by round an adapter sends the queries that `plan` returns, and passes the
results to `advance`:

    search = start(refs)
    while queries := plan(search, costs, estimates):
        ...                                            send, read, collect answers
        search = advance(search, settled=..., ...)

    query                        reports                                says "no such order"
    -----                        -------                                --------------------
    GetOrder(ref)                that order, open or ended              yes
    ListOpenOrders(symbol)       the symbol's open orders               no
    ListOpenOrders(None)         every open order of the account        no
    ListOrdersFrom(symbol, id)   a page of orders, any status, from id  no

Guarantees:
1. An order that a list leaves out is asked for again, by a page of history or by its id. Only
   `GetOrder` ends the search for an order that does not exist.
2. Every round settles an order or rules out a list for it, so the search ends.
3. With true estimates the expected weight is within a tenth of the cheapest there is (measured
   against exhaustive search in tests/exchanges/test_query_plan.py).

What cannot be known beforehand is in `Estimates`, which every result improves.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil, comb, inf
from typing import assert_never

from reconciler.exchanges.base import OrderRef

_MAX_ID = 2**63 - 1
_MAX_ID_DIGITS = len(str(_MAX_ID))

# Estimates follow the latest orders: about this number of reported and of listed ones.
_REPORTED_MEMORY = 100
_LISTED_MEMORY = 500
_MIN_SHARE = 0.001
_RECOVERY_FACTOR = 1.05


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryCosts:
    """A venue's published request weights, and the number of orders on one page of history."""

    one_order: int
    open_orders: int
    all_open_orders: int
    history_page: int
    page_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GetOrder:
    """Look up one order by its id."""

    ref: OrderRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOpenOrders:
    """List the open orders of `symbol`; None lists those of all symbols."""

    symbol: str | None

    def includes(self, symbol: str) -> bool:
        """Return True if the open orders of `symbol` are listed."""
        return self.symbol is None or self.symbol == symbol


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOrdersFrom:
    """List a page of the symbol's orders of any status, ascending, from the id `from_id` on."""

    symbol: str
    from_id: int

    def may_include(self, ref: OrderRef) -> bool:
        """Return True if a numbered order is at the start of the page or after it."""
        return ref.symbol == self.symbol and int(ref.external_order_id) >= self.from_id


Query = GetOrder | ListOpenOrders | ListOrdersFrom


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    """The ids that a `ListOrdersFrom` listed, ascending. The last page ends with the newest."""

    query: ListOrdersFrom
    ids: tuple[int, ...]
    is_last: bool

    def has_symbol_of(self, ref: OrderRef) -> bool:
        """Return True if the page is of the order's symbol."""
        return ref.symbol == self.query.symbol

    def spans(self, number: int) -> bool:
        """Return True if an order with this id would be on the page if it existed.

        The first id asked for is always spanned, even by an empty page.
        """
        last = inf if self.is_last else max((self.query.from_id, *self.ids))
        return self.query.from_id <= number <= last


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimates:
    """Expected shares, learned from past results. Recent orders weigh most.

    Attributes:
        ended_share: Of the wanted orders, the share that has ended. Starts low because most stale
            orders are still open.
        wanted_share: Of the orders on a page of history, the share that was wanted. Starts at a
            half, because it is higher for the backlog after an outage and lower for single orders
            among many.
    """

    ended_share: float = 0.02
    wanted_share: float = 0.5

    def after_page(self, *, listed: int, wanted: int) -> "Estimates":
        """Return the estimates after a stretch of history: `wanted` of `listed` orders."""
        if listed == 0:
            return self
        share = _blend(self.wanted_share, wanted / listed, listed, _LISTED_MEMORY)
        return replace(self, wanted_share=max(share, _MIN_SHARE))

    def after_batch(self, *, reported: int, ended: int) -> "Estimates":
        """Return the estimates after a batch: `ended` of its `reported` orders had ended.

        The share of wanted orders on a page grows a little with every batch. Otherwise a page that
        is expected to be sparse would never be asked for, and so never measured, again.
        """
        recovered = replace(self, wanted_share=min(1.0, self.wanted_share * _RECOVERY_FACTOR))
        if reported == 0:
            return recovered
        share = _blend(self.ended_share, ended / reported, reported, _REPORTED_MEMORY)
        return replace(recovered, ended_share=share)


def _blend(old: float, observed: float, evidence: int, memory: int) -> float:
    kept = (1 - 1 / memory) ** evidence
    return kept * old + (1 - kept) * observed


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchState:
    """The search for one batch of orders, and what earlier rounds have shown.

    Attributes:
        ranks: The rank by id within its symbol, for each order of the batch with a numeric id. A
            page of history answers for consecutive ranks.
        remaining: Orders without an answer or a failure.
        lookup_only: Orders that no list will report, because their id is no number, a page that
            should have contained them did not, or the exchange refuses to list them.
        listed_open: Symbols whose open orders have been listed, so that the remaining ones ended.
    """

    ranks: Mapping[OrderRef, int]
    remaining: frozenset[OrderRef]
    lookup_only: frozenset[OrderRef]
    listed_open: frozenset[str]


def order_number(external_order_id: str) -> int | None:
    """Return the id as the number by which a list shows it; None if it is no such number.

    Only the plain decimal form of a 64-bit id counts: "007", "7 " and "x7" are looked up as they
    are, so that the exchange itself decides what they mean.
    """
    if not (external_order_id.isascii() and external_order_id.isdecimal()):
        return None
    if len(external_order_id) > _MAX_ID_DIGITS:
        return None
    number = int(external_order_id)
    is_plain = str(number) == external_order_id and number <= _MAX_ID
    return number if is_plain else None


def start(refs: Iterable[OrderRef]) -> SearchState:
    """Begin a search for `refs`. Duplicates are searched once."""
    unique = frozenset(refs)
    numbers: dict[str, list[tuple[int, OrderRef]]] = defaultdict(list)
    for ref in unique:
        number = order_number(ref.external_order_id)
        if number is not None:
            numbers[ref.symbol].append((number, ref))
    ranks = {
        ref: rank
        for numbered in numbers.values()
        for rank, (_, ref) in enumerate(sorted(numbered, key=lambda pair: pair[0]))
    }
    return SearchState(
        ranks=ranks,
        remaining=unique,
        lookup_only=unique - ranks.keys(),
        listed_open=frozenset(),
    )


def plan(search: SearchState, costs: QueryCosts, estimates: Estimates) -> tuple[Query, ...]:
    """Return the queries of the next round, which may all be sent at once; () ends the search.

    A round has only the first page of a symbol, because the next page begins where that one ends.
    """
    lookups = tuple(GetOrder(ref=ref) for ref in _sorted(search.remaining & search.lookup_only))
    candidates = [_candidate(group, costs, estimates) for group in _groups(search)]
    if sum(candidate.saved_by_open_list for candidate in candidates) > costs.all_open_orders:
        return (*lookups, ListOpenOrders(symbol=None))
    return (*lookups, *(query for candidate in candidates for query in candidate.queries))


def covered_orders(search: SearchState, query: Query) -> frozenset[OrderRef]:
    """Return the orders for which `query` is sent, which fail if it fails."""
    match query:
        case GetOrder():
            return frozenset({query.ref})
        case ListOpenOrders():
            return frozenset(
                ref
                for ref in _listable(search)
                if query.includes(ref.symbol) and ref.symbol not in search.listed_open
            )
        case ListOrdersFrom():
            return frozenset(ref for ref in _listable(search) if query.may_include(ref))
        case _:
            assert_never(query)


def advance(
    search: SearchState,
    *,
    settled: frozenset[OrderRef],
    open_lists: Iterable[ListOpenOrders] = (),
    pages: Iterable[HistoryPage] = (),
    lookup_only: frozenset[OrderRef] = frozenset(),
) -> SearchState:
    """Return the search after a round, in which `settled` got an answer or a failure.

    `lookup_only` are orders that the exchange refuses to list.
    """
    remaining = search.remaining - settled
    symbols = {ref.symbol for ref in search.ranks}
    listed = {symbol for query in open_lists for symbol in symbols if query.includes(symbol)}
    missing_from_page = {
        ref
        for page in pages
        for ref in remaining & search.ranks.keys()
        if page.has_symbol_of(ref) and page.spans(int(ref.external_order_id))
    }
    return replace(
        search,
        remaining=remaining,
        lookup_only=search.lookup_only | missing_from_page | lookup_only,
        listed_open=search.listed_open | listed,
    )


def learn(estimates: Estimates, search: SearchState, pages: Iterable[HistoryPage]) -> Estimates:
    """Return `estimates` improved by the number of the batch's orders on each page.

    The part of a page after the batch's last order does not count, since nothing was wanted there.
    """
    for page in pages:
        wanted = {int(ref.external_order_id) for ref in search.ranks if page.has_symbol_of(ref)}
        found = [index for index, number in enumerate(page.ids) if number in wanted]
        goes_on = any(number > page.query.from_id and not page.spans(number) for number in wanted)
        listed = len(page.ids) if goes_on or not found else found[-1] + 1
        estimates = estimates.after_page(listed=listed, wanted=len(found))
    return estimates


@dataclass(frozen=True, kw_only=True, slots=True)
class _SymbolGroup:
    """The remaining listable orders of one symbol, ascending by id."""

    symbol: str
    refs: tuple[OrderRef, ...]
    ranks: tuple[int, ...]
    is_open_listed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """The cheapest queries for a group, and the weight that a free list of open orders saves."""

    queries: tuple[Query, ...]
    saved_by_open_list: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cover:
    """Look-ups and pages that cover a group, beginning with `lookups_first` look-ups."""

    weight: int
    lookups_first: int


def _groups(search: SearchState) -> list[_SymbolGroup]:
    by_symbol: dict[str, list[OrderRef]] = defaultdict(list)
    for ref in _listable(search):
        by_symbol[ref.symbol].append(ref)
    return [
        _SymbolGroup(
            symbol=symbol,
            refs=tuple(sorted(refs, key=search.ranks.__getitem__)),
            ranks=tuple(sorted(search.ranks[ref] for ref in refs)),
            is_open_listed=symbol in search.listed_open,
        )
        for symbol, refs in sorted(by_symbol.items())
    ]


def _candidate(group: _SymbolGroup, costs: QueryCosts, estimates: Estimates) -> _Candidate:
    # The number of the group's orders that one page of history is expected to report.
    wanted_per_page = max(1, round(costs.page_size * estimates.wanted_share))
    cover = _cheapest_cover(group.ranks, wanted_per_page, costs)
    if group.is_open_listed:
        return _Candidate(queries=_first_queries(group, cover), saved_by_open_list=0)
    ended = _expected_weight_of_ended(
        len(group.refs), wanted_per_page, costs, estimates.ended_share
    )
    by_list = costs.open_orders + ended
    return _Candidate(
        queries=(
            (ListOpenOrders(symbol=group.symbol),)
            if by_list < cover.weight
            else _first_queries(group, cover)
        ),
        saved_by_open_list=max(0, min(by_list, cover.weight) - ended),
    )


def _first_queries(group: _SymbolGroup, cover: _Cover) -> tuple[Query, ...]:
    lookups = tuple(GetOrder(ref=ref) for ref in group.refs[: cover.lookups_first])
    if cover.lookups_first == len(group.refs):
        return lookups
    first = group.refs[cover.lookups_first]
    return (*lookups, ListOrdersFrom(symbol=group.symbol, from_id=int(first.external_order_id)))


def _cheapest_cover(ranks: tuple[int, ...], wanted_per_page: int, costs: QueryCosts) -> _Cover:
    """Cover ascending `ranks`, each by a look-up or by a page of `wanted_per_page` ranks.

    Computed from the last rank to the first. At equal weight look-ups win, since they are certain.
    """
    weight = [0] * (len(ranks) + 1)
    is_page = [False] * len(ranks)
    for index in reversed(range(len(ranks))):
        beyond = bisect_left(ranks, ranks[index] + wanted_per_page)
        by_lookup = costs.one_order + weight[index + 1]
        by_page = costs.history_page + weight[beyond]
        is_page[index] = by_page < by_lookup
        weight[index] = min(by_lookup, by_page)
    lookups_first = is_page.index(True) if any(is_page) else len(ranks)
    return _Cover(weight=weight[0], lookups_first=lookups_first)


def _expected_weight_of_ended(
    orders: int, wanted_per_page: int, costs: QueryCosts, ended_share: float
) -> float:
    """Return the expected weight of the requests for the ended ones among `orders` orders."""
    pages, remainder = divmod(orders, wanted_per_page)
    return pages * _expected_weight_of_page(
        wanted_per_page, costs, ended_share
    ) + _expected_weight_of_page(remainder, costs, ended_share)


def _expected_weight_of_page(orders: int, costs: QueryCosts, ended_share: float) -> float:
    """Return the expected weight for a page of `orders` orders, or look-ups if few have ended.

    It is the weight of a page, less the expected saving by look-ups. The number of ended orders is
    binomially distributed.
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
    return search.remaining - search.lookup_only


def _sorted(refs: Iterable[OrderRef]) -> list[OrderRef]:
    return sorted(refs, key=lambda ref: (ref.symbol, ref.external_order_id))
