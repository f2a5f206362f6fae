"""Choose the cheapest requests at a venue that lists a symbol's orders from an id on.

Order ids are integers that ascend within a symbol. The plan for `OrderSearch` is `AscendingIds`;
round by round it does this:

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
   against exhaustive search in tests/exchanges/test_ascending_ids.py).

What cannot be known beforehand is in `Estimates`, which every result improves.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import ceil, comb
from typing import assert_never

from reconciler.domain.report import Answer, Report
from reconciler.domain.status import TERMINAL
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.query_plan.protocol import Outcome, Progress
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    HistoryPage,
    ListOpenOrders,
    ListOrdersFrom,
    Query,
)

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
class SymbolSearch:
    """The search for the orders of one symbol that a list can report.

    Attributes:
        numbers: The ids of all such orders of the batch, ascending. A page of history answers for
            neighbours in it.
        remaining: Those without an answer or a failure, by id, ascending; never empty.
        is_open_listed: True if the open orders have been listed, so that the remaining ones ended.
    """

    numbers: Sequence[int]
    remaining: Mapping[int, OrderRef]
    is_open_listed: bool

    def from_number(self, number: int) -> Mapping[int, OrderRef]:
        """Return the remaining orders with this id or a higher one."""
        if number <= next(iter(self.remaining)):
            return self.remaining
        return {one: ref for one, ref in self.remaining.items() if one >= number}

    def ranks(self) -> Sequence[int]:
        """Return the index in `numbers` of each remaining order."""
        if len(self.remaining) == len(self.numbers):
            return range(len(self.numbers))
        return [bisect_left(self.numbers, number) for number in self.remaining]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchState:
    """The search for one batch of orders, and what earlier rounds have shown.

    Attributes:
        symbols: The searches of the symbols with orders that a list can report.
        lookup_only: Further orders without an answer or a failure, which no list will report: their
            id is no number, a page that should have contained them did not, the exchange refuses
            to list them, or the search uses no lists.
    """

    symbols: Mapping[str, SymbolSearch]
    lookup_only: frozenset[OrderRef]


def order_number(external_order_id: str) -> int | None:
    """Return the id as the number by which a list shows it; None if it is no such number.

    Only the plain decimal form of a 64-bit id counts: "007", "7 " and "x7" are looked up as they
    are, so that the exchange itself decides what they mean.
    """
    if not (external_order_id.isdecimal() and external_order_id.isascii()):
        return None
    has_leading_zero = external_order_id[0] == "0" and external_order_id != "0"
    if has_leading_zero or len(external_order_id) > _MAX_ID_DIGITS:
        return None
    number = int(external_order_id)
    return number if number <= _MAX_ID else None


def start(refs: Iterable[OrderRef]) -> SearchState:
    """Begin a search for `refs`. Duplicates are searched once."""
    by_symbol: dict[str, dict[int, OrderRef]] = defaultdict(dict)
    lookup_only = set()
    for ref in refs:
        number = order_number(ref.external_order_id)
        if number is None:
            lookup_only.add(ref)
        else:
            by_symbol[ref.symbol][number] = ref
    return SearchState(
        symbols={symbol: _begin_symbol(numbered) for symbol, numbered in sorted(by_symbol.items())},
        lookup_only=frozenset(lookup_only),
    )


def _begin_symbol(numbered: Mapping[int, OrderRef]) -> SymbolSearch:
    numbers = sorted(numbered)
    return SymbolSearch(
        numbers=numbers,
        remaining={number: numbered[number] for number in numbers},
        is_open_listed=False,
    )


def plan(search: SearchState, costs: QueryCosts, estimates: Estimates) -> tuple[Query, ...]:
    """Return the queries of the next round, which may all be sent at once; () ends the search.

    A round has only the first page of a symbol, because the next page begins where that one ends.
    """
    lookups = tuple(GetOrder(ref=ref) for ref in _sorted(search.lookup_only))
    candidates = [
        _candidate(symbol, of_symbol, costs, estimates)
        for symbol, of_symbol in search.symbols.items()
    ]
    if sum(candidate.saved_by_open_list for candidate in candidates) > costs.all_open_orders:
        return (*lookups, ListOpenOrders(symbol=None))
    return (*lookups, *(query for candidate in candidates for query in candidate.queries))


def listable_orders(
    search: SearchState, query: ListOpenOrders | ListOrdersFrom
) -> Mapping[str, Mapping[int, OrderRef]]:
    """Return the orders for which `query` is sent, by symbol and by id."""
    match query:
        case ListOpenOrders():
            return {
                symbol: of_symbol.remaining
                for symbol, of_symbol in search.symbols.items()
                if query.includes(symbol) and not of_symbol.is_open_listed
            }
        case ListOrdersFrom(symbol=symbol, from_id=from_id):
            return {symbol: search.symbols[symbol].from_number(from_id)}
        case _:
            assert_never(query)


def covered_orders(search: SearchState, query: Query) -> frozenset[OrderRef]:
    """Return the orders for which `query` is sent, which fail if it fails."""
    match query:
        case GetOrder(ref=ref):
            return frozenset({ref})
        case ListOpenOrders() | ListOrdersFrom():
            by_symbol = listable_orders(search, query).values()
            return frozenset(ref for of_symbol in by_symbol for ref in of_symbol.values())
        case _:
            raise ValueError(f"{query} is no query of this plan")


def advance(
    search: SearchState,
    *,
    settled: Container[OrderRef],
    open_lists: Sequence[ListOpenOrders] = (),
    pages: Sequence[HistoryPage] = (),
    lookup_only: frozenset[OrderRef] = frozenset(),
) -> SearchState:
    """Return the search after a round, in which `settled` got an answer or a failure.

    `lookup_only` are orders that the exchange refuses to list.
    """
    symbols: dict[str, SymbolSearch] = {}
    to_look_up = [ref for ref in search.lookup_only if ref not in settled]
    for symbol, of_symbol in search.symbols.items():
        own_pages = [page for page in pages if page.query.symbol == symbol]
        remaining: dict[int, OrderRef] = {}
        for number, ref in of_symbol.remaining.items():
            if ref in settled:
                continue
            if ref in lookup_only or any(page.spans(number) for page in own_pages):
                to_look_up.append(ref)
            else:
                remaining[number] = ref
        if remaining:
            symbols[symbol] = SymbolSearch(
                numbers=of_symbol.numbers,
                remaining=remaining,
                is_open_listed=of_symbol.is_open_listed
                or any(query.includes(symbol) for query in open_lists),
            )
    return SearchState(symbols=symbols, lookup_only=frozenset(to_look_up))


def learn(estimates: Estimates, search: SearchState, pages: Iterable[HistoryPage]) -> Estimates:
    """Return `estimates` improved by the number of the batch's orders on each page.

    The part of a page after the batch's last order does not count, since nothing was wanted there.
    `search` is the state in which the pages were asked for.
    """
    for page in pages:
        numbers = search.symbols[page.query.symbol].numbers
        wanted = frozenset(numbers)
        found = [index for index, number in enumerate(page.ids) if number in wanted]
        goes_on = numbers[-1] > page.last
        listed = len(page.ids) if goes_on or not found else found[-1] + 1
        estimates = estimates.after_page(listed=listed, wanted=len(found))
    return estimates


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


def _candidate(
    symbol: str, search: SymbolSearch, costs: QueryCosts, estimates: Estimates
) -> _Candidate:
    # The number of the symbol's orders that one page of history is expected to report.
    wanted_per_page = max(1, round(costs.page_size * estimates.wanted_share))
    cover = _cheapest_cover(search.ranks(), wanted_per_page, costs)
    if search.is_open_listed:
        return _Candidate(queries=_first_queries(symbol, search, cover), saved_by_open_list=0)
    ended = _expected_weight_of_ended(
        len(search.remaining), wanted_per_page, costs, estimates.ended_share
    )
    by_list = costs.open_orders + ended
    return _Candidate(
        queries=(
            (ListOpenOrders(symbol=symbol),)
            if by_list < cover.weight
            else _first_queries(symbol, search, cover)
        ),
        saved_by_open_list=max(0, min(by_list, cover.weight) - ended),
    )


def _first_queries(symbol: str, search: SymbolSearch, cover: _Cover) -> tuple[Query, ...]:
    lookups = [GetOrder(ref=ref) for ref in islice(search.remaining.values(), cover.lookups_first)]
    first_of_page = next(islice(search.remaining, cover.lookups_first, None), None)
    if first_of_page is None:
        return tuple(lookups)
    return (*lookups, ListOrdersFrom(symbol=symbol, from_id=first_of_page))


def _cheapest_cover(ranks: Sequence[int], wanted_per_page: int, costs: QueryCosts) -> _Cover:
    """Cover ascending `ranks`, each by a look-up or by a page of `wanted_per_page` ranks.

    Computed from the last rank to the first. At equal weight look-ups win, since they are certain.
    """
    lookup, page = costs.one_order, costs.history_page
    weight = [0] * (len(ranks) + 1)
    first_page = beyond = len(ranks)
    for index in range(len(ranks) - 1, -1, -1):
        end = ranks[index] + wanted_per_page
        while ranks[beyond - 1] >= end:
            beyond -= 1
        by_lookup = lookup + weight[index + 1]
        by_page = page + weight[beyond]
        if by_page < by_lookup:
            weight[index] = by_page
            first_page = index
        else:
            weight[index] = by_lookup
    return _Cover(weight=weight[0], lookups_first=first_page)


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


def _sorted(refs: Iterable[OrderRef]) -> list[OrderRef]:
    return sorted(refs, key=lambda ref: (ref.symbol, ref.external_order_id))


@dataclass(frozen=True, kw_only=True, slots=True)
class AscendingIds:
    """The plan of such a venue. Implements `reconciler.exchanges.query_plan.protocol.QueryPlan`."""

    costs: QueryCosts
    estimates: Estimates = field(default_factory=Estimates)

    def start(
        self, refs: Iterable[OrderRef], *, lookup_only: Collection[OrderRef] = ()
    ) -> SearchState:
        """Begin a search for `refs`. No list is sent for `lookup_only`, a part of them."""
        search = start(ref for ref in refs if ref not in lookup_only)
        return replace(search, lookup_only=search.lookup_only | frozenset(lookup_only))

    def next_round(self, search: SearchState) -> Sequence[Query]:
        """Return the queries of the next round."""
        return plan(search, self.costs, self.estimates)

    def covered(self, search: SearchState, query: Query) -> frozenset[OrderRef]:
        """Return the orders for which `query` is sent."""
        return covered_orders(search, query)

    def samples(self, ref: OrderRef) -> Sequence[Query]:
        """Return a look-up, and both lists of the symbol."""
        number = order_number(ref.external_order_id) or 0
        return (
            GetOrder(ref=ref),
            ListOpenOrders(symbol=ref.symbol),
            ListOrdersFrom(symbol=ref.symbol, from_id=number),
        )

    def advance(self, search: SearchState, outcomes: Sequence[Outcome]) -> Progress[SearchState]:
        """Return the search after a round. What a query says of an order counts at once."""
        answers: dict[OrderRef, Answer] = {}
        failures: dict[OrderRef, Failure] = {}
        for query, result in outcomes:
            answers.update(result.answers)
            failures.update(result.failures)
            if result.failure is not None:
                failures.update(dict.fromkeys(self.covered(search, query), result.failure))
        after = advance(
            search,
            settled=answers.keys() | failures.keys(),
            open_lists=[query for query, _ in outcomes if isinstance(query, ListOpenOrders)],
            pages=[result.page for _, result in outcomes if result.page is not None],
            lookup_only=frozenset().union(*(result.lookup_only for _, result in outcomes)),
        )
        return Progress(search=after, answers=answers, failures=failures)

    def learn(self, search: SearchState, outcomes: Sequence[Outcome]) -> "AscendingIds":
        """Return the plan with the estimates that the pages of a round improve."""
        pages = [result.page for _, result in outcomes if result.page is not None]
        return replace(self, estimates=learn(self.estimates, search, pages))

    def learn_from_batch(self, answers: Iterable[Answer]) -> "AscendingIds":
        """Return the plan with the estimates that the answers of a batch improve."""
        statuses = [
            answer.status
            for answer in answers
            if isinstance(answer, Report) and answer.status is not None
        ]
        ended = len([status for status in statuses if status in TERMINAL])
        return replace(
            self, estimates=self.estimates.after_batch(reported=len(statuses), ended=ended)
        )
