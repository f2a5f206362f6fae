import pytest

from reconciler.paper.lifecycle import Stage
from reconciler.paper.order_store import OrderStore, UnknownSymbol
from reconciler.paper.orders import Order, Seeding, write_orders

NEW = Stage(word="NEW", executed_e8=0, quote_e8=0)
CANCELED = Stage(word="CANCELED", executed_e8=0, quote_e8=0)


def an_order(order_id: int, symbol: str = "BTCUSDT", *, now: int = 0) -> Order:
    return Order(
        symbol=symbol,
        order_id=order_id,
        client_order_id=f"client_{order_id}",
        is_buy=True,
        time_in_force="GTC",
        price_e8=10**8,
        qty_e8=10**8,
        created_ms=1000,
        pace_ms=10,
        life=(NEW, CANCELED),
        now=now,
        seen=0,
    )


def test_orders_are_kept_by_id_however_they_come() -> None:
    shelf = OrderStore(map(an_order, [30, 10, 20])).shelf("BTCUSDT")

    assert [order.order_id for order in shelf] == [10, 20, 30]
    assert [order.order_id for order in shelf.from_id(11, 5)] == [20, 30]
    assert [order.order_id for order in shelf.latest(2)] == [20, 30]


def test_an_order_placed_again_takes_the_place_of_the_first() -> None:
    book = OrderStore([an_order(10), an_order(10, now=1)])

    assert len(book) == 1
    assert book.shelf("BTCUSDT").find(10) == an_order(10, now=1)


def test_a_removed_order_is_gone_and_its_symbol_is_not() -> None:
    shelf = OrderStore([an_order(10)]).shelf("BTCUSDT")

    assert shelf.remove(10)
    assert not shelf.remove(10)
    assert shelf.find(10) is None
    assert list(shelf.open_orders()) == []


def test_open_orders_follow_every_change() -> None:
    book = OrderStore([an_order(10), an_order(20)])
    shelf = book.shelf("BTCUSDT")

    assert len(shelf.open_orders()) == 2
    shelf.put(an_order(20, now=1))
    assert [order.order_id for order in shelf.open_orders()] == [10]
    assert book.advance(1, 2000) == 1
    assert list(shelf.open_orders()) == []


def test_an_order_is_found_by_its_client_id() -> None:
    shelf = OrderStore([an_order(10), an_order(20)]).shelf("BTCUSDT")

    assert shelf.find_by_client_id("client_10") == an_order(10)
    assert shelf.find_by_client_id("client_11") is None


def test_a_symbol_without_orders_is_unknown() -> None:
    with pytest.raises(UnknownSymbol, match="BTCUSDT"):
        OrderStore().shelf("BTCUSDT")


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_together_hold_every_order_once(limit: int) -> None:
    book = OrderStore(write_orders(Seeding(orders=50, symbols=3), 1_795_478_400_000))

    walked: list[Order] = []
    symbol, order_id = "", 0
    while page := book.after(symbol, order_id, limit):
        assert len(page) <= limit
        walked.extend(page)
        symbol, order_id = page[-1].symbol, page[-1].order_id

    assert walked == list(book)
    assert len(walked) == 50
