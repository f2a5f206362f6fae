"""A stock ccxt client reads the dialect: only its address and its keys are set, as a user would."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import ccxt
import pytest

from reconciler.paper.dialects.kraken import DIALECT
from reconciler.paper.dialects.kraken.names import txid_of
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.market import market_for
from reconciler.paper.orders import PaperOrder, SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread

KEY = DIALECT.new_key()
ORDERS = 120

CCXT_WORDS: Mapping[str, str] = {
    "pending": "open",
    "open": "open",
    "closed": "closed",
    "canceled": "canceled",
    "expired": "expired",
}


def open_client(url: str, secret: str = KEY.api_secret, **options: object) -> ccxt.kraken:
    return ccxt.kraken(
        {
            "apiKey": KEY.api_key,
            "secret": secret,
            "urls": {"api": {"public": url, "private": url}},
            **options,
        }
    )


@pytest.fixture(scope="module")
def paper() -> Iterator[tuple[PaperExchange, str]]:
    exchange = new_exchange(
        "kraken",
        access=KEY.access,
        has_limits=False,
        seed_options=SeedOptions(orders=ORDERS, symbols=14, seed=3),
    )
    with serve_in_thread(exchange) as url:
        yield exchange, url


@pytest.fixture
def exchange(paper: tuple[PaperExchange, str]) -> Iterator[PaperExchange]:
    yield paper[0]
    paper[0].faults.clear()


@pytest.fixture(scope="module")
def client(paper: tuple[PaperExchange, str]) -> ccxt.kraken:
    """Open a client that does not wait for Kraken's own limits, which this exchange leaves out."""
    return open_client(paper[1], rateLimit=1)


def assert_read_right(parsed: Mapping[str, Any], order: PaperOrder) -> None:
    """Compare what ccxt makes of an order with the order; its numbers are floats."""
    state, market = order.state, market_for(order.symbol)
    assert parsed["status"] == CCXT_WORDS[DIALECT.word(state)]
    assert math.isclose(parsed["filled"], float(state.executed_qty))
    assert math.isclose(parsed["amount"], order.qty_e8 / 1e8)
    assert math.isclose(parsed["price"], order.price_e8 / 1e8)
    average = state.avg_price
    assert math.isclose(parsed["average"] or 0, 0 if average is None else float(average))
    assert parsed["side"] == ("buy" if order.is_buy else "sell")
    assert parsed["symbol"] == f"{market.base}/{market.quote}"
    assert parsed["timestamp"] == order.created_ms
    assert parsed["clientOrderId"] == order.client_order_id


def test_orders_are_read_right_with_stock_options(paper: tuple[PaperExchange, str]) -> None:
    orders = {txid_of(order.order_id): order for order in list(paper[0].orders)[-50:]}

    found = open_client(paper[1]).fetch_orders_by_ids(list(orders))

    assert {parsed["id"] for parsed in found} == orders.keys()
    for parsed in found:
        assert_read_right(parsed, orders[parsed["id"]])


def test_each_order_is_read_right_by_its_id(client: ccxt.kraken, exchange: PaperExchange) -> None:
    seen = set()
    for order in list(exchange.orders)[::6]:
        txid = txid_of(order.order_id)
        parsed = client.fetch_order(txid)
        assert parsed["id"] == txid
        assert_read_right(parsed, order)
        seen.add(parsed["status"])

    assert seen == {"open", "closed", "canceled", "expired"}


def test_many_orders_are_read_right_at_once(client: ccxt.kraken, exchange: PaperExchange) -> None:
    orders = {txid_of(order.order_id): order for order in list(exchange.orders)[:50]}

    found = client.fetch_orders_by_ids(list(orders))

    assert len(found) == 50
    for parsed in found:
        assert_read_right(parsed, orders[parsed["id"]])


def test_lists_are_read_right(client: ccxt.kraken, exchange: PaperExchange) -> None:
    orders = {txid_of(order.order_id): order for order in exchange.orders}

    open_orders = client.fetch_open_orders()
    closed = [
        *client.fetch_closed_orders(),
        *client.fetch_closed_orders(params={"ofs": 50}),
        *client.fetch_closed_orders(params={"ofs": 100}),
    ]

    listed = {parsed["id"]: parsed for parsed in (*open_orders, *closed)}
    assert listed.keys() == orders.keys()
    for txid, parsed in listed.items():
        assert_read_right(parsed, orders[txid])


def test_clock_and_markets_are_read(client: ccxt.kraken, exchange: PaperExchange) -> None:
    assert abs(client.fetch_time() - exchange.clock_ms()) < 60_000
    assert {"BTC/USDT", "ETH/BTC", "BTC/EUR", "DOGE/USDT"} <= set(client.load_markets())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"rate_limit_rate": 1, "retry_after_seconds": 0}, ccxt.DDoSProtection),
        ({"ban_rate": 1, "ban_seconds": 0}, ccxt.DDoSProtection),
        ({"maintenance_rate": 1}, ccxt.ExchangeNotAvailable),
        ({"bad_key_rate": 1}, ccxt.AuthenticationError),
        ({"error_rate": 1}, ccxt.NetworkError),
        ({"vanished_rate": 1}, ccxt.OrderNotFound),
        (
            {"refusal_rate": 1, "refusal_message": "EGeneral:Permission denied"},
            ccxt.PermissionDenied,
        ),
        ({"refusal_rate": 1, "refusal_message": "EAPI:Invalid nonce"}, ccxt.InvalidNonce),
    ],
    ids=str,
)
def test_faults_are_ccxts_own_errors(
    client: ccxt.kraken,
    exchange: PaperExchange,
    fault: dict[str, Any],
    error: type[ccxt.BaseError],
) -> None:
    order = next(iter(exchange.orders))
    client.load_markets()
    exchange.faults.set(FaultRule(**fault), exchange.clock_ms())

    with pytest.raises(error):
        client.fetch_order(txid_of(order.order_id))


def test_wrong_secret_and_bad_id_are_ccxts_own_errors(
    client: ccxt.kraken, paper: tuple[PaperExchange, str]
) -> None:
    with pytest.raises(ccxt.InvalidOrder):
        client.fetch_order("nonsense")
    other = open_client(paper[1], secret=DIALECT.new_key().api_secret, rateLimit=1)
    with pytest.raises(ccxt.ExchangeError, match="EAPI:Invalid signature"):
        other.fetch_balance()
