from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.exchanges.base import Wanted
from reconciler.exchanges.routes import (
    Estimates,
    HistoryPage,
    OneOrder,
    OpenOrders,
    Page,
    Route,
    RouteCosts,
    advance,
    asked_for,
    learn,
    order_number,
    plan,
    start,
)

BINANCE = RouteCosts(
    one_order=4, open_orders=6, all_open_orders=80, history_page=20, page_orders=1000
)
CHEAP_LISTS = RouteCosts(
    one_order=4, open_orders=5, all_open_orders=9, history_page=9, page_orders=3
)


def an_order(number: int | str, symbol: str = "BTCUSDT") -> Wanted:
    return Wanted(symbol=symbol, external_order_id=str(number))


@dataclass
class World:
    """An account's orders: whether each has ended, by symbol and id."""

    ended: dict[tuple[str, int], bool]

    def of(self, symbol: str) -> list[int]:
        return sorted(number for owner, number in self.ended if owner == symbol)


@dataclass
class Story:
    """What a whole search found and cost."""

    weight: int = 0
    rounds: list[tuple[Route, ...]] = field(default_factory=list)
    reported: dict[Wanted, bool] = field(default_factory=dict)
    absent: set[Wanted] = field(default_factory=set)
    estimates: Estimates = field(default_factory=Estimates)


def search_for(
    wanted: Iterable[Wanted],
    world: World,
    costs: RouteCosts = BINANCE,
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
        story.weight += sum(weight_of(route, costs) for route in planned)
        pages = [
            page_of(route, world, costs, is_blank=are_pages_blank)
            for route in planned
            if isinstance(route, HistoryPage)
        ]
        for route in planned:
            asked = asked_for(search, route)
            shown = asked & shown_by(route, world, pages)
            story.reported |= {order: world.ended[key_of(order)] for order in shown}
            if isinstance(route, OneOrder):
                story.absent |= asked - shown
        if learns:
            story.estimates = learn(story.estimates, search, pages)
        search = advance(
            search,
            settled=frozenset(story.reported) | story.absent,
            open_lists=[route for route in planned if isinstance(route, OpenOrders)],
            pages=pages,
        )
    if learns:
        story.estimates = story.estimates.after_batch(
            reported=len(story.reported), ended=sum(story.reported.values())
        )
    return story


def key_of(order: Wanted) -> tuple[str, int]:
    number = order_number(order.external_order_id)
    return order.symbol, -1 if number is None else number


def page_of(route: HistoryPage, world: World, costs: RouteCosts, *, is_blank: bool) -> Page:
    if is_blank:
        return Page(route=route, ids=(), is_last=False)
    later = [number for number in world.of(route.symbol) if number >= route.from_id]
    return Page(
        route=route,
        ids=tuple(later[: costs.page_orders]),
        is_last=len(later) < costs.page_orders,
    )


def shown_by(route: Route, world: World, pages: Iterable[Page]) -> set[Wanted]:
    match route:
        case OneOrder(wanted=order):
            return {order} if key_of(order) in world.ended else set()
        case OpenOrders():
            return {an_order(n, symbol) for (symbol, n), ended in world.ended.items() if not ended}
        case HistoryPage(symbol=symbol):
            return {an_order(n, symbol) for page in pages if page.route == route for n in page.ids}


def weight_of(route: Route, costs: RouteCosts) -> int:
    match route:
        case OneOrder():
            return costs.one_order
        case OpenOrders(symbol=None):
            return costs.all_open_orders
        case OpenOrders():
            return costs.open_orders
        case HistoryPage():
            return costs.history_page


def a_world(
    *counts: int, has_ended: Callable[[int], bool] = lambda _: False, step: int = 1
) -> tuple[list[Wanted], World]:
    """As many wanted orders a symbol as `counts` says, every `step`-th order of the account."""
    wanted, ended = [], {}
    for index, count in enumerate(counts):
        symbol = f"SYM{index}"
        for rank in range(count * step):
            ended[symbol, 100 + rank] = has_ended(rank)
            if rank % step == 0:
                wanted.append(an_order(100 + rank, symbol))
    return wanted, World(ended=ended)


def test_nothing_wanted_is_nothing_sent() -> None:
    assert plan(start([]), BINANCE, Estimates()) == ()


def test_single_order_is_looked_up_by_name() -> None:
    assert plan(start([an_order(7)]), BINANCE, Estimates()) == (OneOrder(wanted=an_order(7)),)


def test_thousand_dense_orders_of_one_symbol_that_have_ended_cost_one_page() -> None:
    wanted, world = a_world(1000, has_ended=lambda _: True)

    story = search_for(wanted, world)

    assert story.weight == 20
    assert len(story.reported) == 1000


def test_thousand_orders_over_ten_symbols_of_which_almost_none_ended_cost_at_most_eighty() -> None:
    wanted, world = a_world(*[100] * 10, has_ended=lambda rank: rank == 50)
    only_first = World(
        ended={key: has_ended and key[0] < "SYM3" for key, has_ended in world.ended.items()}
    )

    story = search_for(wanted, only_first)

    assert story.weight == 10 * 6 + 3 * 4
    assert len(story.reported) == 1000


def test_open_orders_of_many_symbols_are_listed_together() -> None:
    wanted, world = a_world(*[5] * 20)

    story = search_for(wanted, world)

    assert story.rounds == [(OpenOrders(symbol=None),)]
    assert story.weight == 80


def test_absence_from_open_orders_is_asked_about_in_a_second_round() -> None:
    wanted, world = a_world(4, has_ended=lambda rank: rank == 2)

    story = search_for(wanted, world)

    assert story.rounds == [
        (OpenOrders(symbol="SYM0"),),
        (OneOrder(wanted=an_order(102, "SYM0")),),
    ]


def test_id_within_a_page_that_does_not_show_it_is_looked_up_by_name() -> None:
    wanted, world = a_world(30, has_ended=lambda _: True)
    del world.ended["SYM0", 115]

    story = search_for(wanted, world, estimates=Estimates(ended_share=1.0))

    assert story.rounds == [
        (HistoryPage(symbol="SYM0", from_id=100),),
        (OneOrder(wanted=an_order(115, "SYM0")),),
    ]
    assert story.absent == {an_order(115, "SYM0")}


def test_ids_are_ordered_as_numbers() -> None:
    wanted = [an_order(number) for number in (1000, 9, 200, 31, 84, 77, 90)]

    routes = plan(start(wanted), BINANCE, Estimates(ended_share=1.0))

    assert routes == (HistoryPage(symbol="BTCUSDT", from_id=9),)


@pytest.mark.parametrize(
    "name", ["", "x7", "007", "7 ", "-7", "+7", "7.0", "\u0667", "9223372036854775808", "9" * 5000]
)
def test_id_that_is_no_plain_64_bit_number_is_looked_up_by_name(name: str) -> None:
    others = [an_order(number) for number in range(100, 110)]

    routes = plan(start([*others, an_order(name)]), BINANCE, Estimates())

    assert OneOrder(wanted=an_order(name)) in routes
    assert order_number(name) is None


def test_largest_64_bit_id_is_a_number() -> None:
    assert order_number("9223372036854775807") == 2**63 - 1


def test_page_is_on_behalf_of_the_ids_from_its_first_on() -> None:
    search = start([an_order(1), an_order(5), an_order(9), an_order(9, "ETHUSDT"), an_order("x")])

    asked = asked_for(search, HistoryPage(symbol="BTCUSDT", from_id=5))

    assert asked == {an_order(5), an_order(9)}


def test_sparse_pages_are_given_up_after_the_first_and_tried_again_much_later() -> None:
    wanted, world = a_world(400, has_ended=lambda _: True, step=500)

    story = search_for(wanted, world, estimates=Estimates(ended_share=1.0))
    estimates, batches = story.estimates, 0
    while not any(isinstance(r, HistoryPage) for r in plan(start(wanted), BINANCE, estimates)):
        estimates = estimates.after_batch(reported=400, ended=400)
        batches += 1

    pages = [r for round_ in story.rounds for r in round_ if isinstance(r, HistoryPage)]
    assert len(pages) <= 3
    assert 1 < batches < 100


def test_estimates_follow_what_is_seen() -> None:
    at_first = Estimates()

    after_outage = at_first.after_batch(reported=200, ended=180)
    after_calm = after_outage.after_batch(reported=200, ended=0)

    assert after_outage.ended_share == pytest.approx(0.9, abs=0.15)
    assert after_calm.ended_share < 0.15
    assert at_first.after_page(listed=1000, wanted=10).wanted_share < 0.1
    assert at_first.after_page(listed=1, wanted=1).wanted_share == pytest.approx(0.5, abs=0.01)


def test_stretch_behind_the_last_wanted_order_says_nothing_about_density() -> None:
    wanted = [an_order(number) for number in range(10)]
    page = Page(
        route=HistoryPage(symbol="BTCUSDT", from_id=0), ids=tuple(range(1000)), is_last=False
    )

    learnt = learn(Estimates(), start(wanted), [page])

    assert learnt == Estimates().after_page(listed=10, wanted=10)


@pytest.mark.parametrize("costs", [replace(BINANCE, page_orders=6), CHEAP_LISTS])
@pytest.mark.parametrize("ended_share", [0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(
    "counts", [(1,), (2,), (3,), (5,), (7,), (8,), (2, 1, 3), (3, 4), (1,) * 6]
)
def test_expected_weight_is_within_a_tenth_of_the_best_of_all_strategies(
    counts: tuple[int, ...], ended_share: float, costs: RouteCosts
) -> None:
    estimates = Estimates(ended_share=ended_share, wanted_share=1.0)

    planned = expected_weight_of_plan(counts, costs, estimates)

    assert planned <= 1.1 * least_expected_weight(counts, costs, ended_share) + 1e-9


def expected_weight_of_plan(
    counts: tuple[int, ...], costs: RouteCosts, estimates: Estimates
) -> float:
    wanted, world = a_world(*counts)
    expected = 0.0
    for fates in product([False, True], repeat=len(wanted)):
        likelihood = likelihood_of(fates, estimates.ended_share)
        if likelihood == 0:
            continue
        drawn = World(ended=dict(zip(world.ended, fates, strict=True)))
        story = search_for(wanted, drawn, costs, estimates, learns=False)
        assert len(story.reported) == len(wanted)
        expected += likelihood * story.weight
    return expected


def least_expected_weight(counts: tuple[int, ...], costs: RouteCosts, ended_share: float) -> float:
    """Try every strategy: which lists to ask for, then every split into names and pages."""
    outright = [least_cover(tuple(range(count)), costs) for count in counts]
    after_list = [expected_cover(count, costs, ended_share) for count in counts]
    alone = sum(
        min(direct, costs.open_orders + rest)
        for direct, rest in zip(outright, after_list, strict=True)
    )
    together = costs.all_open_orders + sum(
        min(direct, rest) for direct, rest in zip(outright, after_list, strict=True)
    )
    return min(alone, together)


def expected_cover(count: int, costs: RouteCosts, ended_share: float) -> float:
    return sum(
        likelihood_of(fates, ended_share)
        * least_cover(tuple(rank for rank in range(count) if fates[rank]), costs)
        for fates in product([False, True], repeat=count)
    )


def least_cover(ranks: tuple[int, ...], costs: RouteCosts) -> int:
    if not ranks:
        return 0
    beyond = tuple(rank for rank in ranks if rank >= ranks[0] + costs.page_orders)
    return min(
        costs.one_order + least_cover(ranks[1:], costs),
        costs.history_page + least_cover(beyond, costs),
    )


def likelihood_of(fates: tuple[bool, ...], ended_share: float) -> float:
    ended = sum(fates)
    return float(ended_share**ended * (1 - ended_share) ** (len(fates) - ended))


shares = st.floats(min_value=0, max_value=1)
symbols = st.sampled_from(["AAA", "BBB", "CCC"])
keys = st.tuples(symbols, st.integers(min_value=0, max_value=60))


@settings(max_examples=150, deadline=None)
@given(
    ended=st.dictionaries(keys, st.booleans(), max_size=60),
    wanted_keys=st.sets(keys, max_size=40),
    odd_names=st.sets(st.sampled_from(["x1", "007", "", "99999999999999999999"]), max_size=2),
    costs=st.builds(
        RouteCosts,
        one_order=st.integers(1, 5),
        open_orders=st.integers(1, 12),
        all_open_orders=st.integers(1, 40),
        history_page=st.integers(1, 20),
        page_orders=st.integers(1, 9),
    ),
    estimates=st.builds(Estimates, ended_share=shares, wanted_share=shares),
    are_pages_blank=st.booleans(),
)
def test_every_wanted_order_that_exists_is_reported_and_the_search_ends(
    ended: dict[tuple[str, int], bool],
    wanted_keys: set[tuple[str, int]],
    odd_names: set[str],
    costs: RouteCosts,
    estimates: Estimates,
    *,
    are_pages_blank: bool,
) -> None:
    existing = {
        an_order(number, symbol): ended.get((symbol, number)) for symbol, number in wanted_keys
    }
    wanted = {*existing, *(an_order(name, "AAA") for name in odd_names)}

    story = search_for(
        wanted, World(ended=ended), costs, estimates, are_pages_blank=are_pages_blank
    )

    known = {order: fate for order, fate in existing.items() if fate is not None}
    looked_up = {r.wanted for round_ in story.rounds for r in round_ if isinstance(r, OneOrder)}
    assert story.reported == known
    assert story.absent == wanted - known.keys()
    assert story.absent <= looked_up
    assert len(story.rounds) <= len(wanted) + 2
