import time
from collections import Counter
from itertools import pairwise

import pytest

from reconciler.domain.status import OPEN, Status
from reconciler.paper.orders import PaperOrder, SeedOptions, advance, as_of, generate_orders

NOW_MS = 1_795_478_400_000


def orders_of(**seeding: float) -> list[PaperOrder]:
    settings: dict[str, float] = {"orders": 2000, "symbols": 8, **seeding}
    return list(generate_orders(SeedOptions(**settings), NOW_MS))  # type: ignore[arg-type]  # ints stay ints


def test_same_seed_generates_the_same_orders() -> None:
    assert orders_of(seed=3) == orders_of(seed=3)
    assert orders_of(seed=3) != orders_of(seed=4)


@pytest.mark.parametrize("symbols", [1, 3, 30])
def test_symbols_have_equal_shares_without_a_hot_share(symbols: int) -> None:
    counts = Counter(order.symbol for order in orders_of(orders=2000, symbols=symbols))

    assert counts.total() == 2000
    assert len(counts) == symbols
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(("symbols", "hot"), [(5, 1400), (1, 2000)], ids=["many", "one"])
def test_first_symbol_gets_the_hot_share_of_orders(symbols: int, hot: int) -> None:
    counts = Counter(order.symbol for order in orders_of(symbols=symbols, hot_share=0.7))

    assert counts["BTCUSDT"] == hot
    assert counts.total() == 2000


def test_ids_grow_with_time_and_some_exceed_a_floats_precision() -> None:
    orders = orders_of()

    for earlier, later in pairwise(orders):
        if earlier.symbol == later.symbol:
            assert earlier.order_id < later.order_id
            assert earlier.created_ms <= later.created_ms
    assert any(int(float(order.order_id)) != order.order_id for order in orders)
    assert max(order.order_id for order in orders) < 2**63


def test_every_row_is_open_and_never_ahead_of_the_exchange() -> None:
    for order in orders_of():
        assert order.seen_index <= order.state_index
        assert order.seen_state.status in OPEN


def test_rows_are_behind_the_exchange_in_every_way() -> None:
    ways = {(order.seen_state.status, order.state.status) for order in orders_of()}

    assert {
        (Status.NEW, Status.NEW),
        (Status.NEW, Status.PARTIAL),
        (Status.NEW, Status.FILLED),
        (Status.NEW, Status.CANCELED),
        (Status.NEW, Status.EXPIRED),
        (Status.NEW, Status.REJECTED),
        (Status.PARTIAL, Status.FILLED),
        (Status.PARTIAL, Status.CANCELED),
        (Status.PARTIAL, Status.EXPIRED),
        (Status.PENDING, Status.NEW),
    } <= ways


def test_no_order_was_updated_in_the_future() -> None:
    assert all(order.updated_ms <= NOW_MS for order in orders_of())


def test_client_ids_of_generated_orders_are_unique() -> None:
    orders = orders_of()

    assert len({order.client_order_id for order in orders}) == len(orders)


def test_advancing_an_order_ends_at_its_last_state() -> None:
    order = next(order for order in orders_of() if order.state_index + 1 < len(order.states))

    assert advance(order, 1, NOW_MS).state_index == order.state_index + 1
    assert advance(order, 100, NOW_MS).state_index == len(order.states) - 1
    assert advance(advance(order, 100, NOW_MS), 1, NOW_MS + 1) == advance(order, 100, NOW_MS)


def test_order_as_of_an_earlier_time_has_its_state_then() -> None:
    for order in orders_of(orders=200):
        moved = advance(order, 1, NOW_MS)

        assert as_of(moved, NOW_MS) == moved
        assert as_of(moved, NOW_MS - 1) == order
        assert as_of(moved, order.created_ms - 1) is None
        placed = as_of(moved, order.created_ms)
        assert placed is not None
        assert placed.state_index == 0


def test_a_hundred_thousand_orders_are_generated_quickly() -> None:
    started = time.process_time()

    orders = orders_of(orders=100_000, symbols=12)

    assert len(orders) == 100_000
    assert time.process_time() - started < 8
