"""A stock ccxt client reads the paper exchange's dialect of Bybit right.

It is opened with what a user sets: the addresses, the key, and spot as the default product.
"""

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule, FaultTable
from reconciler.paper.lifecycle import ExchangeStatus
from reconciler.paper.listing import OrderSpec, build_order
from reconciler.paper.orders import PaperOrder, SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from tests.paper.bybit.bybit_client import KEY, SECRET

WORDS = {
    "Untriggered": "open",
    "New": "open",
    "PartiallyFilled": "open",
    "Filled": "closed",
    "Cancelled": "canceled",
    "PartiallyFilledCanceled": "closed",  # github.com/ccxt/ccxt/issues/18685
    "Rejected": "rejected",
}
"""ccxt's word for each of Bybit's that the paper exchange says."""


def open_ccxt(url: str, secret: str = SECRET) -> Any:
    client = ccxt.bybit({"apiKey": KEY, "secret": secret, "options": {"defaultType": "spot"}})
    client.urls["api"] = dict.fromkeys(client.urls["api"], url)
    return client


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[PaperExchange, str, dict[str, Any]]]:
    exchange = new_exchange(
        "bybit",
        access=AccessPolicy(api_key=KEY, api_secret=SECRET),
        seed_options=SeedOptions(orders=400, symbols=4, seed=3),
    )
    with serve_in_thread(exchange) as url:
        yield exchange, url, open_ccxt(url).load_markets()


@pytest.fixture
def exchange(served: tuple[PaperExchange, str, dict[str, Any]]) -> PaperExchange:
    exchange, _, _ = served
    exchange.faults = FaultTable()
    return exchange


@pytest.fixture
def client(served: tuple[PaperExchange, str, dict[str, Any]], exchange: PaperExchange) -> Any:  # noqa: ARG001  # without faults
    _, url, markets = served
    client = open_ccxt(url)
    client.set_markets(markets)
    return client


def shown(row: dict[str, Any]) -> tuple[str, str, float, float | None]:
    return row["id"], row["status"], row["filled"], row["average"]


def truth(exchange: PaperExchange, order: PaperOrder) -> tuple[str, str, float, Any]:
    state = order.state
    average = None if not state.executed_e8 else state.quote_e8 / state.executed_e8
    return (
        exchange.dialect.order_id(order.order_id),
        WORDS[exchange.dialect.word(state)],
        state.executed_e8 / 10**8,
        average if average is None else pytest.approx(average),
    )


def unified(client: Any, symbol: str) -> str:
    [market] = client.markets_by_id[symbol]
    name: str = market["symbol"]
    return name


def test_markets_are_those_of_the_exchange(client: Any, exchange: PaperExchange) -> None:
    assert set(client.markets_by_id) == set(exchange.orders.symbols())
    assert client.fetch_time() <= exchange.clock_ms()


@pytest.mark.parametrize("status", ExchangeStatus)
@pytest.mark.parametrize("executed", ["0", "0.4"])
def test_order_of_every_status_is_read(
    client: Any, exchange: PaperExchange, status: ExchangeStatus, executed: str
) -> None:
    number = 10**6 + list(ExchangeStatus).index(status) * 2 + (executed != "0")
    given = OrderSpec(
        symbol="ETHUSDT",
        order_id=number,
        qty="0.4" if status is ExchangeStatus.FILLED else "1",
        status=status,
        executed_qty=executed,
        quote_qty="40.123" if executed != "0" else None,
    )
    order = build_order(given, exchange.clock_ms())
    exchange.orders.put(order)

    try:
        found = client.fetch_order(
            exchange.dialect.order_id(number), "ETH/USDT", {"acknowledged": True}
        )
    finally:
        exchange.orders.remove("ETHUSDT", number)

    assert shown(found) == truth(exchange, order)
    assert found["amount"] == order.qty_e8 / 10**8
    assert found["symbol"] == "ETH/USDT"


def test_open_orders_are_read_page_by_page(client: Any, exchange: PaperExchange) -> None:
    expected = [truth(exchange, order) for order in exchange.orders if order.state.is_open]

    found = client.fetch_open_orders(None, None, None, {"paginate": True})

    assert sorted(map(shown, found)) == sorted(expected, key=lambda one: one[0])


def test_ended_orders_are_read_page_by_page(client: Any, exchange: PaperExchange) -> None:
    orders = [order for order in exchange.orders.of_symbol("BTCUSDT") if not order.state.is_open]

    found = client.fetch_canceled_and_closed_orders("BTC/USDT", None, None, {"paginate": True})

    assert len(orders) > 50
    assert sorted(map(shown, found)) == sorted(
        (truth(exchange, order) for order in orders), key=lambda one: one[0]
    )


def test_one_ended_order_is_found_in_the_history(client: Any, exchange: PaperExchange) -> None:
    order = next(one for one in exchange.orders if not one.state.is_open)
    order_id = exchange.dialect.order_id(order.order_id)

    found = client.fetch_closed_order(order_id, unified(client, order.symbol))

    assert shown(found) == truth(exchange, order)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (FaultRule(bad_key_rate=1), ccxt.AuthenticationError),
        (FaultRule(rate_limit_rate=1, retry_after_seconds=0), ccxt.RateLimitExceeded),
        (FaultRule(maintenance_rate=1), ccxt.ExchangeNotAvailable),
        (FaultRule(clock_offset_ms=60_000), ccxt.InvalidNonce),
    ],
    ids=["bad key", "rate limit", "maintenance", "clock"],
)
def test_fault_is_the_error_that_ccxt_knows(
    client: Any, exchange: PaperExchange, rule: FaultRule, error: type[Exception]
) -> None:
    exchange.faults.set(rule, exchange.clock_ms())

    with pytest.raises(error):
        client.fetch_open_orders("BTC/USDT")


def test_wrong_secret_is_refused(
    served: tuple[PaperExchange, str, dict[str, Any]],
    exchange: PaperExchange,  # noqa: ARG001  # without faults
) -> None:
    _, url, markets = served
    client = open_ccxt(url, secret="another")
    client.set_markets(markets)
    client.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True}

    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_open_orders("BTC/USDT")
