import msgspec
import pytest

from reconciler.domain.status import Status
from reconciler.paper.faults import FaultRule, Faults
from reconciler.paper.faults.distortions import (
    DISTORTIONS,
    ERROR_PAGE,
    UNKNOWN_STATUS,
    corrupt_body,
    distortion_of,
)
from reconciler.paper.faults.effects import Corruption
from reconciler.paper.lifecycle import STATUS_OF, OrderState
from reconciler.paper.order_store import DistortedSymbolOrders, OrderStore
from reconciler.paper.orders import PaperOrder, SeedOptions, advance, generate_orders

NOW_MS = 1_795_478_400_000
NEW = OrderState(exchange_status="NEW", executed_e8=0, quote_e8=0)
PART = OrderState(exchange_status="PARTIALLY_FILLED", executed_e8=4 * 10**7, quote_e8=4 * 10**9)
FILLED = OrderState(exchange_status="FILLED", executed_e8=10**8, quote_e8=10**10)
ORDERS = list(generate_orders(SeedOptions(orders=2000, symbols=4), NOW_MS))


def an_order(
    *states: OrderState, order_id: int = 7, state_index: int = 0, seen_index: int = 0
) -> PaperOrder:
    return PaperOrder(
        symbol="BTCUSDT",
        order_id=order_id,
        client_order_id="client",
        is_buy=True,
        time_in_force="GTC",
        price_e8=10**10,
        qty_e8=10**8,
        created_ms=NOW_MS - 10_000,
        pace_ms=1000,
        states=states,
        state_index=state_index,
        seen_index=seen_index,
    )


def shown(order: PaperOrder, rule: FaultRule, now_ms: int = NOW_MS) -> PaperOrder | None:
    distort = distortion_of([rule], seed=1, now_ms=now_ms)
    return order if distort is None else distort(order)


def state_of(order: PaperOrder, rule: FaultRule) -> OrderState:
    found = shown(order, rule)
    assert found is not None
    return found.state


def test_distortions_affect_the_share_of_orders_that_was_set() -> None:
    assert DISTORTIONS.keys() <= set(Faults.__struct_fields__)
    for setting in DISTORTIONS:
        rule = msgspec.convert({setting: 0.25}, FaultRule)
        affected = [order for order in ORDERS if shown(order, rule) != order]
        if setting != "shrunk_rate":
            assert 400 < len(affected) < 600


def test_each_distortion_affects_its_own_orders_every_time() -> None:
    def affected_by(setting: str) -> set[int]:
        rule = msgspec.convert({setting: 0.1}, FaultRule)
        return {order.order_id for order in ORDERS if shown(order, rule) != order}

    assert affected_by("vanished_rate") == affected_by("vanished_rate")
    assert affected_by("vanished_rate") != affected_by("contradiction_rate")


def test_orders_are_shown_as_they_are_without_a_distortion() -> None:
    assert distortion_of([FaultRule(error_rate=1)], seed=1, now_ms=NOW_MS) is None


def test_distortion_affects_only_the_named_orders() -> None:
    rule = FaultRule(vanished_rate=1, only_order_ids=(7,), only_symbols=("BTCUSDT",))

    assert shown(an_order(NEW), rule) is None
    assert shown(an_order(NEW, order_id=8), rule) == an_order(NEW, order_id=8)


def test_order_with_an_unknown_status_keeps_its_quantities() -> None:
    state = state_of(an_order(NEW, PART, state_index=1), FaultRule(unknown_status_rate=1))

    assert state == OrderState(
        exchange_status=UNKNOWN_STATUS, executed_e8=PART.executed_e8, quote_e8=PART.quote_e8
    )
    assert UNKNOWN_STATUS not in STATUS_OF


def test_shrunken_order_shows_less_than_its_row_has_seen() -> None:
    order = an_order(NEW, PART, FILLED, state_index=2, seen_index=1)

    state = state_of(order, FaultRule(shrunk_rate=1))

    assert (state.exchange_status, state.executed_e8) == ("FILLED", PART.executed_e8 // 2)
    assert shown(an_order(NEW, FILLED, state_index=1), FaultRule(shrunk_rate=1)) == an_order(
        NEW, FILLED, state_index=1
    )


def test_contradictory_order_is_filled_with_nothing_executed() -> None:
    state = state_of(an_order(NEW), FaultRule(contradiction_rate=1))

    assert (state.status, state.executed_e8) == (Status.FILLED, 0)


@pytest.mark.parametrize(
    ("stale_seconds", "exchange_status"), [(1, "FILLED"), (3, "PARTIALLY_FILLED"), (7, "NEW")]
)
def test_stale_order_is_shown_in_its_state_at_that_time(
    stale_seconds: float, exchange_status: str
) -> None:
    order = an_order(NEW, PART, FILLED)
    moved = advance(advance(order, 1, NOW_MS - 5000), 1, NOW_MS - 2000)

    assert (
        state_of(moved, FaultRule(stale_seconds=stale_seconds)).exchange_status == exchange_status
    )


def test_stale_answer_hides_orders_placed_since_then() -> None:
    assert shown(an_order(NEW), FaultRule(stale_seconds=11)) is None


def test_rules_of_two_names_distort_an_order_one_after_another() -> None:
    distort = distortion_of(
        [FaultRule(stale_seconds=7), FaultRule(unknown_status_rate=1)], seed=1, now_ms=NOW_MS
    )
    order = advance(an_order(NEW, FILLED), 1, NOW_MS)

    assert distort is not None
    found = distort(order)
    assert found is not None
    assert found.state == OrderState(exchange_status=UNKNOWN_STATUS, executed_e8=0, quote_e8=0)


def test_page_without_vanished_orders_is_still_full() -> None:
    orders = OrderStore(an_order(NEW, order_id=number) for number in range(1, 21)).of_symbol(
        "BTCUSDT"
    )
    distort = distortion_of(
        [FaultRule(vanished_rate=1, only_order_ids=(2, 3))], seed=1, now_ms=NOW_MS
    )
    assert distort is not None
    left = DistortedSymbolOrders(orders, distort)

    assert [order.order_id for order in left.from_id(1, 4)] == [1, 4, 5, 6]
    assert [order.order_id for order in left.latest(18)] == [1, *range(4, 21)]
    assert left.find(2) is None
    assert len(left.open_orders()) == 18


def test_open_order_with_an_unknown_status_is_listed_as_open() -> None:
    orders = OrderStore(
        [an_order(NEW, order_id=1), an_order(NEW, FILLED, order_id=2, state_index=1)]
    ).of_symbol("BTCUSDT")
    distort = distortion_of([FaultRule(unknown_status_rate=1)], seed=1, now_ms=NOW_MS)
    assert distort is not None

    assert [order.order_id for order in DistortedSymbolOrders(orders, distort).open_orders()] == [1]


def test_corrupted_body_is_cut_or_html_or_has_wrong_types() -> None:
    body = b'{"orderId":7,"isWorking":true,"fills":[1.5],"price":"1"}'

    assert body.startswith(corrupt_body(body, Corruption.CUT))
    assert corrupt_body(body, Corruption.HTML) == ERROR_PAGE
    assert msgspec.json.decode(corrupt_body(body, Corruption.WRONG_TYPE)) == {
        "orderId": "7",
        "isWorking": True,
        "fills": ["1.5"],
        "price": "1",
    }
