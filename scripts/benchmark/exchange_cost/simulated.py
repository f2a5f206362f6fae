"""A simulated exchange for the adapter's query plan: the result and the cost of a search.

Pure: the routes are the product's own, requests are only counted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import COSTS
from reconciler.exchanges.query_plan.ascending_ids import (
    Estimates,
    QueryCosts,
    advance,
    covered_orders,
    learn,
    order_number,
    plan,
    start,
)
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    HistoryPage,
    ListOpenOrders,
    ListOrdersFrom,
    Query,
)
from scripts.benchmark.figures import BenchFailed

LEARNING_BATCHES = 10
"""Batches of the same kind before the one that is counted: they teach the estimates."""


def learned_weight(counts: Sequence[int], ended_share: float) -> int:
    """Return the weight of a batch with `counts` orders a symbol, a share of them ended.

    The orders lie side by side in their symbols' histories.

    Raises:
        BenchFailed: an order was not reported.
    """
    estimates, weight = Estimates(), 0
    rng = Random(1)  # noqa: S311 - the same every time, no secret
    orders = sum(counts)
    for _ in range(LEARNING_BATCHES + 1):
        ended = set(rng.sample(range(orders), round(orders * ended_share)))
        refs, account = simulated_account(*counts)
        fates = {key: index in ended for index, key in enumerate(account.ended)}
        outcome = search_for(refs, SimulatedAccount(ended=fates), COSTS, estimates)
        if len(outcome.reported) != orders:
            raise BenchFailed(f"{len(outcome.reported):,} of {orders:,} orders were reported")
        estimates, weight = outcome.estimates, outcome.weight
    return weight


def order_ref(number: int | str, symbol: str = "BTCUSDT") -> OrderRef:
    """Return the reference of an order."""
    return OrderRef(symbol=symbol, external_order_id=str(number))


@dataclass
class SimulatedAccount:
    """An account's orders: whether each has ended, by symbol and id."""

    ended: dict[tuple[str, int], bool]

    def of(self, symbol: str) -> list[int]:
        """Return the ids of a symbol's orders, ascending."""
        return sorted(number for owner, number in self.ended if owner == symbol)


@dataclass
class SearchOutcome:
    """The result and the cost of a whole search."""

    weight: int = 0
    rounds: list[tuple[Query, ...]] = field(default_factory=list)
    reported: dict[OrderRef, bool] = field(default_factory=dict)
    absent: set[OrderRef] = field(default_factory=set)
    estimates: Estimates = field(default_factory=Estimates)


def search_for(
    refs: Iterable[OrderRef],
    account: SimulatedAccount,
    costs: QueryCosts = COSTS,
    estimates: Estimates | None = None,
    *,
    learns: bool = True,
    are_pages_blank: bool = False,
) -> SearchOutcome:
    """Run the query plan against an exchange that holds `account`."""
    outcome = SearchOutcome(estimates=estimates or Estimates())
    search = start(refs)
    while planned := plan(search, costs, outcome.estimates):
        outcome.rounds.append(planned)
        outcome.weight += sum(_weight_of(query, costs) for query in planned)
        pages = [
            _page_of(query, account, costs, is_blank=are_pages_blank)
            for query in planned
            if isinstance(query, ListOrdersFrom)
        ]
        for query in planned:
            covered = covered_orders(search, query)
            shown = covered & _shown_by(query, account, pages)
            outcome.reported |= {order: account.ended[_key_of(order)] for order in shown}
            if isinstance(query, GetOrder):
                outcome.absent |= covered - shown
        if learns:
            outcome.estimates = learn(outcome.estimates, search, pages)
        search = advance(
            search,
            settled=frozenset(outcome.reported) | outcome.absent,
            open_lists=[query for query in planned if isinstance(query, ListOpenOrders)],
            pages=pages,
        )
    if learns:
        outcome.estimates = outcome.estimates.after_batch(
            reported=len(outcome.reported), ended=sum(outcome.reported.values())
        )
    return outcome


def _key_of(order: OrderRef) -> tuple[str, int]:
    number = order_number(order.external_order_id)
    return order.symbol, -1 if number is None else number


def _page_of(
    query: ListOrdersFrom, account: SimulatedAccount, costs: QueryCosts, *, is_blank: bool
) -> HistoryPage:
    if is_blank:
        return HistoryPage(query=query, ids=(), is_last=False)
    later = [number for number in account.of(query.symbol) if number >= query.from_id]
    return HistoryPage(
        query=query,
        ids=tuple(later[: costs.page_size]),
        is_last=len(later) < costs.page_size,
    )


def _shown_by(
    query: Query, account: SimulatedAccount, pages: Iterable[HistoryPage]
) -> set[OrderRef]:
    match query:
        case GetOrder(ref=order):
            return {order} if _key_of(order) in account.ended else set()
        case ListOpenOrders():
            return {
                order_ref(n, symbol) for (symbol, n), ended in account.ended.items() if not ended
            }
        case ListOrdersFrom(symbol=symbol):
            return {order_ref(n, symbol) for page in pages if page.query == query for n in page.ids}
        case _:
            raise ValueError(f"{query} is no query of this plan")


def _weight_of(query: Query, costs: QueryCosts) -> int:
    match query:
        case GetOrder():
            return costs.one_order
        case ListOpenOrders(symbol=None):
            return costs.all_open_orders
        case ListOpenOrders():
            return costs.open_orders
        case ListOrdersFrom():
            return costs.history_page
        case _:
            raise ValueError(f"{query} is no query of this plan")


def simulated_account(
    *counts: int, has_ended: Callable[[int], bool] = lambda _: False, step: int = 1
) -> tuple[list[OrderRef], SimulatedAccount]:
    """Return `counts` order references a symbol, every `step`-th order of the returned account."""
    refs, ended = [], {}
    for index, count in enumerate(counts):
        symbol = f"SYM{index}"
        for rank in range(count * step):
            ended[symbol, 100 + rank] = has_ended(rank)
            if rank % step == 0:
                refs.append(order_ref(100 + rank, symbol))
    return refs, SimulatedAccount(ended=ended)
