"""A simulated exchange for the adapter's query plan: the result and the cost of a search.

Pure: the routes are the product's own, requests are only counted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import COSTS
from reconciler.exchanges.query_plan import (
    Estimates,
    GetOrder,
    HistoryPage,
    ListOpenOrders,
    ListOrdersFrom,
    Query,
    QueryCosts,
    advance,
    covered_orders,
    learn,
    order_number,
    plan,
    start,
)
from scripts.benchmark.figures import BenchFailed

PRACTICE = 10
"""So many batches of the same kind come before the one that is counted: estimates are learnt."""


def learned_weight(counts: Sequence[int], ended_share: float) -> int:
    """Return the weight of a batch with `counts` orders a symbol, a share of them ended.

    The orders lie side by side in their symbols' histories.

    Raises:
        BenchFailed: an order was not reported.
    """
    estimates, weight = Estimates(), 0
    rng = Random(1)  # noqa: S311 - the same every time, no secret
    orders = sum(counts)
    for _ in range(PRACTICE + 1):
        ended = set(rng.sample(range(orders), round(orders * ended_share)))
        wanted, world = a_world(*counts)
        fates = {key: index in ended for index, key in enumerate(world.ended)}
        story = search_for(wanted, World(ended=fates), COSTS, estimates)
        if len(story.reported) != orders:
            raise BenchFailed(f"{len(story.reported):,} of {orders:,} orders were reported")
        estimates, weight = story.estimates, story.weight
    return weight


def an_order(number: int | str, symbol: str = "BTCUSDT") -> OrderRef:
    """Name an order."""
    return OrderRef(symbol=symbol, external_order_id=str(number))


@dataclass
class World:
    """An account's orders: whether each has ended, by symbol and id."""

    ended: dict[tuple[str, int], bool]

    def of(self, symbol: str) -> list[int]:
        """Return the ids of a symbol's orders, ascending."""
        return sorted(number for owner, number in self.ended if owner == symbol)


@dataclass
class Story:
    """The result and the cost of a whole search."""

    weight: int = 0
    rounds: list[tuple[Query, ...]] = field(default_factory=list)
    reported: dict[OrderRef, bool] = field(default_factory=dict)
    absent: set[OrderRef] = field(default_factory=set)
    estimates: Estimates = field(default_factory=Estimates)


def search_for(
    wanted: Iterable[OrderRef],
    world: World,
    costs: QueryCosts = COSTS,
    estimates: Estimates | None = None,
    *,
    learns: bool = True,
    are_pages_blank: bool = False,
) -> Story:
    """Play the adapter against an exchange that holds `world`."""
    story = Story(estimates=estimates or Estimates())
    search = start(wanted)
    while planned := plan(search, costs, story.estimates):
        story.rounds.append(planned)
        story.weight += sum(_weight_of(query, costs) for query in planned)
        pages = [
            _page_of(query, world, costs, is_blank=are_pages_blank)
            for query in planned
            if isinstance(query, ListOrdersFrom)
        ]
        for query in planned:
            asked = covered_orders(search, query)
            shown = asked & _shown_by(query, world, pages)
            story.reported |= {order: world.ended[_key_of(order)] for order in shown}
            if isinstance(query, GetOrder):
                story.absent |= asked - shown
        if learns:
            story.estimates = learn(story.estimates, search, pages)
        search = advance(
            search,
            settled=frozenset(story.reported) | story.absent,
            open_lists=[query for query in planned if isinstance(query, ListOpenOrders)],
            pages=pages,
        )
    if learns:
        story.estimates = story.estimates.after_batch(
            reported=len(story.reported), ended=sum(story.reported.values())
        )
    return story


def _key_of(order: OrderRef) -> tuple[str, int]:
    number = order_number(order.external_order_id)
    return order.symbol, -1 if number is None else number


def _page_of(
    query: ListOrdersFrom, world: World, costs: QueryCosts, *, is_blank: bool
) -> HistoryPage:
    if is_blank:
        return HistoryPage(query=query, ids=(), is_last=False)
    later = [number for number in world.of(query.symbol) if number >= query.from_id]
    return HistoryPage(
        query=query,
        ids=tuple(later[: costs.page_size]),
        is_last=len(later) < costs.page_size,
    )


def _shown_by(query: Query, world: World, pages: Iterable[HistoryPage]) -> set[OrderRef]:
    match query:
        case GetOrder(ref=order):
            return {order} if _key_of(order) in world.ended else set()
        case ListOpenOrders():
            return {an_order(n, symbol) for (symbol, n), ended in world.ended.items() if not ended}
        case ListOrdersFrom(symbol=symbol):
            return {an_order(n, symbol) for page in pages if page.query == query for n in page.ids}


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


def a_world(
    *counts: int, has_ended: Callable[[int], bool] = lambda _: False, step: int = 1
) -> tuple[list[OrderRef], World]:
    """As many wanted orders a symbol as `counts` says, every `step`-th order of the account."""
    wanted, ended = [], {}
    for index, count in enumerate(counts):
        symbol = f"SYM{index}"
        for rank in range(count * step):
            ended[symbol, 100 + rank] = has_ended(rank)
            if rank % step == 0:
                wanted.append(an_order(100 + rank, symbol))
    return wanted, World(ended=ended)
