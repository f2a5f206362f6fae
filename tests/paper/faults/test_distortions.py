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
from reconciler.paper.orders import Order, SeedOptions, advance, generate_orders

NOW_MS = 1_795_478_400_000
NEW = OrderState(binance_status="NEW", executed_e8=0, quote_e8=0)
PART = OrderState(binance_status="PARTIALLY_FILLED", executed_e8=4 * 10**7, quote_e8=4 * 10**9)
FILLED = OrderState(binance_status="FILLED", executed_e8=10**8, quote_e8=10**10)
ORDERS = list(generate_orders(SeedOptions(orders=2000, symbols=4), NOW_MS))


def an_order(
    *states: OrderState, order_id: int = 7, state_index: int = 0, seen_index: int = 0
) -> Order:
    return Order(
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


def shown(order: Order, rule: FaultRule, now_ms: int = NOW_MS) -> Order | None:
    distort = distortion_of([rule], seed=1, now_ms=now_ms)
    return order if distort is None else distort(order)


def stage_of(order: Order, rule: FaultRule) -> OrderState:
    found = shown(order, rule)
    assert found is not None
    return found.state


def test_every_distortion_has_a_setting_and_keeps_its_share() -> None:
    assert DISTORTIONS.keys() <= set(Faults.__struct_fields__)
    for setting in DISTORTIONS:
        rule = msgspec.convert({setting: 0.25}, FaultRule)
        struck = [order for order in ORDERS if shown(order, rule) != order]
        if setting != "shrunk_rate":
            assert 400 < len(struck) < 600


def test_an_order_stays_struck_and_each_fault_strikes_others() -> None:
    def struck_by(setting: str) -> set[int]:
        rule = msgspec.convert({setting: 0.1}, FaultRule)
        return {order.order_id for order in ORDERS if shown(order, rule) != order}

    assert struck_by("vanished_rate") == struck_by("vanished_rate")
    assert struck_by("vanished_rate") != struck_by("contradiction_rate")


def test_without_a_false_setting_orders_are_shown_as_they_are() -> None:
    assert distortion_of([FaultRule(error_rate=1)], seed=1, now_ms=NOW_MS) is None


def test_named_orders_alone_are_struck() -> None:
    rule = FaultRule(vanished_rate=1, only_order_ids=(7,), only_symbols=("BTCUSDT",))

    assert shown(an_order(NEW), rule) is None
    assert shown(an_order(NEW, order_id=8), rule) == an_order(NEW, order_id=8)


def test_an_unknown_word_keeps_its_quantities() -> None:
    state = stage_of(an_order(NEW, PART, state_index=1), FaultRule(unknown_status_rate=1))

    assert state == OrderState(
        binance_status=UNKNOWN_STATUS, executed_e8=PART.executed_e8, quote_e8=PART.quote_e8
    )
    assert UNKNOWN_STATUS not in STATUS_OF


def test_a_shrunken_order_shows_less_than_its_row_has_seen() -> None:
    order = an_order(NEW, PART, FILLED, state_index=2, seen_index=1)

    state = stage_of(order, FaultRule(shrunk_rate=1))

    assert (state.binance_status, state.executed_e8) == ("FILLED", PART.executed_e8 // 2)
    assert shown(an_order(NEW, FILLED, state_index=1), FaultRule(shrunk_rate=1)) == an_order(
        NEW, FILLED, state_index=1
    )


def test_a_contradictory_order_is_filled_with_nothing_executed() -> None:
    state = stage_of(an_order(NEW), FaultRule(contradiction_rate=1))

    assert (state.status, state.executed_e8) == (Status.FILLED, 0)


@pytest.mark.parametrize(
    ("stale_seconds", "binance_status"), [(1, "FILLED"), (3, "PARTIALLY_FILLED"), (7, "NEW")]
)
def test_a_stale_order_is_shown_as_it_was_then(stale_seconds: float, binance_status: str) -> None:
    order = an_order(NEW, PART, FILLED)
    moved = advance(advance(order, 1, NOW_MS - 5000), 1, NOW_MS - 2000)

    assert stage_of(moved, FaultRule(stale_seconds=stale_seconds)).binance_status == binance_status


def test_an_order_that_had_not_been_placed_then_is_not_shown() -> None:
    assert shown(an_order(NEW), FaultRule(stale_seconds=11)) is None


def test_the_latest_truth_of_rules_side_by_side_is_struck_by_each() -> None:
    distort = distortion_of(
        [FaultRule(stale_seconds=7), FaultRule(unknown_status_rate=1)], seed=1, now_ms=NOW_MS
    )
    order = advance(an_order(NEW, FILLED), 1, NOW_MS)

    assert distort is not None
    found = distort(order)
    assert found is not None
    assert found.state == OrderState(binance_status=UNKNOWN_STATUS, executed_e8=0, quote_e8=0)


def test_a_page_of_what_is_left_is_a_full_one() -> None:
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


def test_an_open_order_in_an_unknown_word_stays_among_the_open_ones() -> None:
    orders = OrderStore(
        [an_order(NEW, order_id=1), an_order(NEW, FILLED, order_id=2, state_index=1)]
    ).of_symbol("BTCUSDT")
    distort = distortion_of([FaultRule(unknown_status_rate=1)], seed=1, now_ms=NOW_MS)
    assert distort is not None

    assert [order.order_id for order in DistortedSymbolOrders(orders, distort).open_orders()] == [1]


def test_a_spoiled_body_is_cut_a_page_or_has_text_for_numbers() -> None:
    body = b'{"orderId":7,"isWorking":true,"fills":[1.5],"price":"1"}'

    assert body.startswith(corrupt_body(body, Corruption.CUT))
    assert corrupt_body(body, Corruption.HTML) == ERROR_PAGE
    assert msgspec.json.decode(corrupt_body(body, Corruption.WRONG_TYPE)) == {
        "orderId": "7",
        "isWorking": True,
        "fills": ["1.5"],
        "price": "1",
    }
