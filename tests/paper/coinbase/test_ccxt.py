"""A stock ccxt client reads the dialect with nothing but an address and a key."""

import base64
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.domain.status import Status
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.coinbase import DIALECT
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.listing import listed_order
from reconciler.paper.new_keys import NewKey

CCXT_STATUSES = {
    "PENDING": "PENDING",
    "OPEN": "open",
    "CANCEL_QUEUED": "CANCEL_QUEUED",
    "FILLED": "closed",
    # ccxt has no words for these ends.
    "CANCELLED": "canceled",
    "EXPIRED": "canceled",
    "FAILED": "canceled",
}


def open_client(url: str, api_key: str, secret: str) -> Any:
    client = ccxt.coinbase({"apiKey": api_key, "secret": secret})
    client.urls["api"]["rest"] = url
    return client


@pytest.fixture
def client(url: str, key: NewKey) -> Any:
    return open_client(url, key.api_key, key.api_secret)


def test_every_order_is_read_with_its_status_its_quantity_and_its_average(
    client: Any, exchange: PaperExchange
) -> None:
    rows = {row["id"]: row for row in client.fetch_orders(limit=1000)}

    assert len(rows) == len(list(exchange.orders))
    for order in exchange.orders:
        listed = listed_order(order, DIALECT)
        row = rows[listed.row_order_id]
        assert row["symbol"] == listed.row_symbol.replace("-", "/")
        assert row["status"] == CCXT_STATUSES[DIALECT.word(order.state)]
        # ccxt reads no size of a `limit_limit_fok`.
        assert row["amount"] == (None if order.time_in_force == "FOK" else float(listed.qty))
        assert row["filled"] == float(listed.truth.executed_qty)
        if listed.truth.avg_price is None:
            assert row["average"] in {None, 0.0}
        else:
            shown = Decimal(row["info"]["average_filled_price"])
            assert round(shown, 8) == Decimal(listed.truth.avg_price)
            assert row["average"] == pytest.approx(float(listed.truth.avg_price))
        assert row["timestamp"] == order.created_ms
        assert row["side"] == listed.side.lower()
        assert row["clientOrderId"] == order.client_order_id


def test_one_order_and_the_open_ones_are_read(client: Any, exchange: PaperExchange) -> None:
    opened = [order for order in exchange.orders if DIALECT.word(order.state) == "OPEN"]

    ids = {row["id"] for row in client.fetch_open_orders(limit=1000)}
    one = client.fetch_order(DIALECT.order_id(opened[0].order_id))

    assert ids == {DIALECT.order_id(order.order_id) for order in opened}
    assert one["status"] == "open"
    assert {order.state.status for order in opened} == {Status.NEW, Status.PARTIAL}


def test_pages_are_followed(client: Any, exchange: PaperExchange) -> None:
    filled = [order for order in exchange.orders if DIALECT.word(order.state) == "FILLED"]

    list_orders = client.v3PrivateGetBrokerageOrdersHistoricalBatch
    first = list_orders({"order_status": "FILLED", "limit": 10})
    rest = list_orders({"order_status": "FILLED", "cursor": first["cursor"]})

    assert [first["has_next"], rest["has_next"]] == [True, False]
    assert len(first["orders"]) == 10
    assert {row["order_id"] for row in (*first["orders"], *rest["orders"])} == {
        DIALECT.order_id(order.order_id) for order in filled
    }


def test_order_that_does_not_exist_is_an_error(client: Any) -> None:
    with pytest.raises(ccxt.ExchangeError, match="order with this orderID was not found"):
        client.fetch_order(DIALECT.order_id(1))


def test_key_of_another_is_refused(url: str, key: NewKey) -> None:
    client = open_client(url, key.api_key, DIALECT.new_key().api_secret)

    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_orders()


def test_ed25519_key_is_accepted(url: str, key: NewKey, exchange: PaperExchange) -> None:
    private = Ed25519PrivateKey.generate()
    halves = private.private_bytes_raw() + private.public_key().public_bytes_raw()
    secret = base64.b64encode(halves).decode()
    name = key.api_key.rpartition("/")[2]
    exchange.access = AccessPolicy(api_key=name, api_secret=secret)

    rows = open_client(url, name, secret).fetch_orders(limit=5)

    assert len(rows) == 5


def test_markets_and_the_time_are_read(client: Any) -> None:
    markets = client.load_markets()

    assert "BTC/USDT" in markets
    assert client.fetch_time({"method": "v3PublicGetBrokerageTime"}) > 0
