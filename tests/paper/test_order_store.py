import pytest

from reconciler.paper.lifecycle import OrderState
from reconciler.paper.order_store import OrderStore, UnknownSymbol
from reconciler.paper.orders import PaperOrder, SeedOptions, generate_orders

NEW = OrderState(exchange_status="NEW", executed_e8=0, quote_e8=0)
CANCELED = OrderState(exchange_status="CANCELED", executed_e8=0, quote_e8=0)


def an_order(order_id: int, symbol: str = "BTCUSDT", *, state_index: int = 0) -> PaperOrder:
    return PaperOrder(
        symbol=symbol,
        order_id=order_id,
        client_order_id=f"client_{order_id}",
        is_buy=True,
        time_in_force="GTC",
        price_e8=10**8,
        qty_e8=10**8,
        created_ms=1000,
        pace_ms=10,
        states=(NEW, CANCELED),
        state_index=state_index,
        seen_index=0,
    )


def test_orders_are_sorted_by_id_in_whatever_sequence_they_come() -> None:
    orders = OrderStore(map(an_order, [30, 10, 20])).of_symbol("BTCUSDT")

    assert [order.order_id for order in orders] == [10, 20, 30]
    assert [order.order_id for order in orders.from_id(11, 5)] == [20, 30]
    assert [order.order_id for order in orders.latest(2)] == [20, 30]


def test_order_placed_again_replaces_the_first() -> None:
    store = OrderStore([an_order(10), an_order(10, state_index=1)])

    assert len(store) == 1
    assert store.of_symbol("BTCUSDT").find(10) == an_order(10, state_index=1)


def test_symbol_of_a_removed_order_remains() -> None:
    orders = OrderStore([an_order(10)]).of_symbol("BTCUSDT")

    assert orders.remove(10)
    assert not orders.remove(10)
    assert orders.find(10) is None
    assert list(orders.open_orders()) == []


def test_open_orders_are_updated_after_every_change() -> None:
    store = OrderStore([an_order(10), an_order(20)])
    orders = store.of_symbol("BTCUSDT")

    assert len(orders.open_orders()) == 2
    orders.put(an_order(20, state_index=1))
    assert [order.order_id for order in orders.open_orders()] == [10]
    assert store.advance(1, 2000) == 1
    assert list(orders.open_orders()) == []


def test_stored_order_is_found_by_its_client_id() -> None:
    orders = OrderStore([an_order(10), an_order(20)]).of_symbol("BTCUSDT")

    assert orders.find_by_client_id("client_10") == an_order(10)
    assert orders.find_by_client_id("client_11") is None


def test_symbol_without_any_order_is_unknown() -> None:
    with pytest.raises(UnknownSymbol, match="BTCUSDT"):
        OrderStore().of_symbol("BTCUSDT")


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_together_contain_every_order_once(limit: int) -> None:
    store = OrderStore(generate_orders(SeedOptions(orders=50, symbols=3), 1_795_478_400_000))

    walked: list[PaperOrder] = []
    symbol, order_id = "", 0
    while page := store.after(symbol, order_id, limit):
        assert len(page) <= limit
        walked.extend(page)
        symbol, order_id = page[-1].symbol, page[-1].order_id

    assert walked == list(store)
    assert len(walked) == 50
