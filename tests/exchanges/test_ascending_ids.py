from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.exchanges.query_plan.ascending_ids import (
    Estimates,
    QueryCosts,
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
)
from scripts.benchmark.exchange_cost.optimum import expected_weight_of_plan, least_expected_weight
from scripts.benchmark.exchange_cost.simulated import (
    SimulatedAccount,
    order_ref,
    search_for,
    simulated_account,
)

BINANCE = QueryCosts(
    one_order=4, open_orders=6, all_open_orders=80, history_page=20, page_size=1000
)
CHEAP_LISTS = QueryCosts(one_order=4, open_orders=5, all_open_orders=9, history_page=9, page_size=3)


def test_search_for_no_orders_sends_nothing() -> None:
    assert plan(start([]), BINANCE, Estimates()) == ()


def test_single_order_is_looked_up_by_its_id() -> None:
    assert plan(start([order_ref(7)]), BINANCE, Estimates()) == (GetOrder(ref=order_ref(7)),)


def test_thousand_ended_orders_of_a_symbol_cost_one_page() -> None:
    refs, account = simulated_account(1000, has_ended=lambda _: True)

    story = search_for(refs, account)

    assert story.weight == 20
    assert len(story.reported) == 1000


def test_thousand_open_orders_of_ten_symbols_cost_ten_lists() -> None:
    refs, account = simulated_account(*[100] * 10, has_ended=lambda rank: rank == 50)
    only_first = SimulatedAccount(
        ended={key: has_ended and key[0] < "SYM3" for key, has_ended in account.ended.items()}
    )

    story = search_for(refs, only_first)

    assert story.weight == 10 * 6 + 3 * 4
    assert len(story.reported) == 1000


def test_open_orders_of_many_symbols_are_listed_together() -> None:
    refs, account = simulated_account(*[5] * 20)

    story = search_for(refs, account)

    assert story.rounds == [(ListOpenOrders(symbol=None),)]
    assert story.weight == 80


def test_order_missing_from_open_orders_is_looked_up_next() -> None:
    refs, account = simulated_account(4, has_ended=lambda rank: rank == 2)

    story = search_for(refs, account)

    assert story.rounds == [
        (ListOpenOrders(symbol="SYM0"),),
        (GetOrder(ref=order_ref(102, "SYM0")),),
    ]


def test_id_missing_from_its_page_is_looked_up() -> None:
    refs, account = simulated_account(30, has_ended=lambda _: True)
    del account.ended["SYM0", 115]

    story = search_for(refs, account, estimates=Estimates(ended_share=1.0))

    assert story.rounds == [
        (ListOrdersFrom(symbol="SYM0", from_id=100),),
        (GetOrder(ref=order_ref(115, "SYM0")),),
    ]
    assert story.absent == {order_ref(115, "SYM0")}


def test_order_ids_are_sorted_as_numbers() -> None:
    refs = [order_ref(number) for number in (1000, 9, 200, 31, 84, 77, 90)]

    queries = plan(start(refs), BINANCE, Estimates(ended_share=1.0))

    assert queries == (ListOrdersFrom(symbol="BTCUSDT", from_id=9),)


@pytest.mark.parametrize(
    "name", ["", "x7", "007", "7 ", "-7", "+7", "7.0", "\u0667", "9223372036854775808", "9" * 5000]
)
def test_id_that_is_no_plain_64_bit_number_is_looked_up(name: str) -> None:
    others = [order_ref(number) for number in range(100, 110)]

    queries = plan(start([*others, order_ref(name)]), BINANCE, Estimates())

    assert GetOrder(ref=order_ref(name)) in queries
    assert order_number(name) is None


def test_largest_64_bit_id_is_an_order_number() -> None:
    assert order_number("9223372036854775807") == 2**63 - 1


def test_page_covers_the_orders_from_its_first_id_on() -> None:
    search = start(
        [order_ref(1), order_ref(5), order_ref(9), order_ref(9, "ETHUSDT"), order_ref("x")]
    )

    covered = covered_orders(search, ListOrdersFrom(symbol="BTCUSDT", from_id=5))

    assert covered == {order_ref(5), order_ref(9)}


def test_sparse_pages_are_avoided_and_tried_again_later() -> None:
    refs, account = simulated_account(400, has_ended=lambda _: True, step=500)

    story = search_for(refs, account, estimates=Estimates(ended_share=1.0))
    estimates, batches = story.estimates, 0
    while not any(isinstance(r, ListOrdersFrom) for r in plan(start(refs), BINANCE, estimates)):
        estimates = estimates.after_batch(reported=400, ended=400)
        batches += 1

    pages = [r for round_ in story.rounds for r in round_ if isinstance(r, ListOrdersFrom)]
    assert len(pages) <= 3
    assert 1 < batches < 100


def test_estimates_follow_the_results_of_batches() -> None:
    at_first = Estimates()

    after_outage = at_first.after_batch(reported=200, ended=180)
    after_calm = after_outage.after_batch(reported=200, ended=0)

    assert after_outage.ended_share == pytest.approx(0.9, abs=0.15)
    assert after_calm.ended_share < 0.15
    assert at_first.after_page(listed=1000, wanted=10).wanted_share < 0.1
    assert at_first.after_page(listed=1, wanted=1).wanted_share == pytest.approx(0.5, abs=0.01)


def test_rest_of_a_page_is_left_out_of_the_estimate() -> None:
    refs = [order_ref(number) for number in range(10)]
    page = HistoryPage(
        query=ListOrdersFrom(symbol="BTCUSDT", from_id=0), ids=tuple(range(1000)), is_last=False
    )

    learnt = learn(Estimates(), start(refs), [page])

    assert learnt == Estimates().after_page(listed=10, wanted=10)


@pytest.mark.parametrize("costs", [replace(BINANCE, page_size=6), CHEAP_LISTS])
@pytest.mark.parametrize("ended_share", [0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(
    "counts", [(1,), (2,), (3,), (5,), (7,), (8,), (2, 1, 3), (3, 4), (1,) * 6]
)
def test_expected_weight_is_within_a_tenth_of_the_optimum(
    counts: tuple[int, ...], ended_share: float, costs: QueryCosts
) -> None:
    estimates = Estimates(ended_share=ended_share, wanted_share=1.0)

    planned = expected_weight_of_plan(counts, costs, estimates)

    assert planned <= 1.1 * least_expected_weight(counts, costs, ended_share) + 1e-9


shares = st.floats(min_value=0, max_value=1)
symbols = st.sampled_from(["AAA", "BBB", "CCC"])
keys = st.tuples(symbols, st.integers(min_value=0, max_value=60))


@settings(max_examples=150)
@given(
    ended=st.dictionaries(keys, st.booleans(), max_size=60),
    wanted_keys=st.sets(keys, max_size=40),
    invalid_ids=st.sets(st.sampled_from(["x1", "007", "", "99999999999999999999"]), max_size=2),
    costs=st.builds(
        QueryCosts,
        one_order=st.integers(1, 5),
        open_orders=st.integers(1, 12),
        all_open_orders=st.integers(1, 40),
        history_page=st.integers(1, 20),
        page_size=st.integers(1, 9),
    ),
    estimates=st.builds(Estimates, ended_share=shares, wanted_share=shares),
    are_pages_blank=st.booleans(),
)
def test_search_reports_every_existing_order_and_ends(
    ended: dict[tuple[str, int], bool],
    wanted_keys: set[tuple[str, int]],
    invalid_ids: set[str],
    costs: QueryCosts,
    estimates: Estimates,
    *,
    are_pages_blank: bool,
) -> None:
    existing = {
        order_ref(number, symbol): ended.get((symbol, number)) for symbol, number in wanted_keys
    }
    refs = {*existing, *(order_ref(name, "AAA") for name in invalid_ids)}

    story = search_for(
        refs, SimulatedAccount(ended=ended), costs, estimates, are_pages_blank=are_pages_blank
    )

    known = {order: fate for order, fate in existing.items() if fate is not None}
    looked_up = {r.ref for round_ in story.rounds for r in round_ if isinstance(r, GetOrder)}
    assert story.reported == known
    assert story.absent == refs - known.keys()
    assert story.absent <= looked_up
    assert len(story.rounds) <= len(refs) + 2
